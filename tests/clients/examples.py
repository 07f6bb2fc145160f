"""
Run the examples of the manual page `testing` in Go, Java and C#: `python tests/clients/examples.py`.

Each example is a function that sends a request to the control API. It is wrapped in a program that injects a fault,
exchanges the API key twice, and prints both statuses. A language that is not installed is left out, with a note on
stderr. The examples in JavaScript and Python are tests of the default run.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "gamcli" / "manual" / "testing.md"
EXPECTED = "503\n200\n"
SERVE = [sys.executable, "-m", "gamcli", "--quiet", "serve", "--ephemeral", "--control", "--port", "0", "--"]


class Example(NamedTuple):
    """A language: its programs, file, frame around the example, and commands to build and to run it."""

    programs: tuple[str, ...]
    file: str
    frame: str
    build: list[str]
    run: list[str]


GO = """package main
import ("fmt"; "io"; "net/http"; "net/url"; "os"; "strings"; "testing")
EXAMPLE
func TestRetry(t *testing.T) {
	control(t, "reset", "{}")
	control(t, "faults", `{"fault": "token=503:1x"}`)
	for i := 0; i < 2; i++ {
		form := url.Values{"grant_type": {"password"}, "authentication_type_name": {"apikey"},
			"client_id": {os.Getenv("GAM_CLIENT_ID")}, "client_secret": {os.Getenv("GAM_CLIENT_SECRET")},
			"api_key": {os.Getenv("GAM_API_KEY")}}
		response, err := http.PostForm(os.Getenv("GAM_URL")+"/oauth/gam/v2.0/access_token", form)
		if err != nil { t.Fatal(err) }
		fmt.Println(response.StatusCode)
	}
}
"""

JAVA = """import java.net.URI;
import java.net.http.*;
@interface BeforeEach {}
public class Example {
    static void assertEquals(int expected, int found, String text) {
        if (expected != found) throw new AssertionError(text);
    }
EXAMPLE
    public static void main(String[] arguments) throws Exception {
        var example = new Example();
        example.reset();
        example.control("faults", "{\\"fault\\": \\"token=503:1x\\"}");
        var form = "grant_type=password&authentication_type_name=apikey&client_id=" + System.getenv("GAM_CLIENT_ID")
            + "&client_secret=" + System.getenv("GAM_CLIENT_SECRET") + "&api_key=" + System.getenv("GAM_API_KEY");
        for (int i = 0; i < 2; i++) {
            var request = HttpRequest.newBuilder(URI.create(System.getenv("GAM_URL") + "/oauth/gam/v2.0/access_token"))
                .header("Content-Type", "application/x-www-form-urlencoded")
                .POST(HttpRequest.BodyPublishers.ofString(form)).build();
            System.out.println(
                HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).statusCode());
        }
    }
}
"""

CSHARP = """using System;
using System.Collections.Generic;
using System.Net.Http;
using System.Threading.Tasks;
public class Example {
EXAMPLE
    static async Task Run() {
        await new Example().InitializeAsync();
        await Control("faults", "{\\"fault\\": \\"token=503:1x\\"}");
        var form = new Dictionary<string, string> {
            ["grant_type"] = "password", ["authentication_type_name"] = "apikey" };
        foreach (var name in new[] { "client_id", "client_secret", "api_key" })
            form[name] = Environment.GetEnvironmentVariable("GAM_" + name.ToUpperInvariant());
        var url = Environment.GetEnvironmentVariable("GAM_URL") + "/oauth/gam/v2.0/access_token";
        for (var i = 0; i < 2; i++)
            Console.WriteLine((int) (await Http.PostAsync(url, new FormUrlEncodedContent(form))).StatusCode);
    }
    public static void Main() => Run().GetAwaiter().GetResult();
}
"""

EXAMPLES = {
    "go": Example(("go",), "main_test.go", GO, [], ["go", "test", "-v", "main_test.go"]),
    "java": Example(("javac", "java"), "Example.java", JAVA, ["javac", "Example.java"], ["java", "Example"]),
    "csharp": Example(
        ("mcs", "mono"), "example.cs", CSHARP, ["mcs", "-r:System.Net.Http.dll", "example.cs"], ["mono", "example.exe"]
    ),
}


def read_example(language: str) -> str:
    """Return the example in the manual, up to the tests that it only begins."""
    text = re.findall(rf"^```{language}\n(.*?)^```", MANUAL.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)[0]
    return str(text).partition("\nfunc Test")[0]


def run_example(example: Example, text: str) -> str:
    """Return what the program prints besides the lines of its test runner."""
    with TemporaryDirectory() as folder:
        (Path(folder) / example.file).write_text(example.frame.replace("EXAMPLE", text), encoding="utf-8")
        if example.build:
            subprocess.run(example.build, cwd=folder, check=True, timeout=120)
        done = subprocess.run(
            [*SERVE, *example.run], cwd=folder, stdout=subprocess.PIPE, check=False, timeout=120, text=True
        )
    if done.returncode != 0:
        return f"exit code {done.returncode}"
    return "".join(line for line in done.stdout.splitlines(keepends=True) if line[:1].isdigit())


def main() -> int:
    failed = False
    for language, example in EXAMPLES.items():
        missing = [program for program in example.programs if shutil.which(program) is None]
        if missing:
            sys.stderr.write(f"{language}: {missing[0]} is not installed\n")
            continue
        found = run_example(example, read_example(language))
        failed = failed or found != EXPECTED
        sys.stdout.write(f"{language}: {'as expected' if found == EXPECTED else found}\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
