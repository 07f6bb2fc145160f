// Parses each line of stdin, bytes in base64, with the parser of node's http module; prints the methods that it knows, and
// then the requests of each line, as JSON lines.
process.noDeprecation = true;
const { HTTPParser, allMethods, methods } = process.binding("http_parser");
const names = allMethods || methods;

function parse(bytes) {
  const requests = [];
  let current = null;
  let early = []; // of a long head, which comes in pieces
  let earlyTarget = "";
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.REQUEST, {}, 64 * 1024, 0);
  parser[HTTPParser.kOnHeaders | 0] = (headers, target) => {
    if (current !== null) return; // trailer fields
    early = early.concat(headers);
    earlyTarget += target;
  };
  parser[HTTPParser.kOnHeadersComplete | 0] = (_major, _minor, headers, method, url) => {
    current = { method: names[method], target: url || earlyTarget, fields: early.concat(headers || []), body: [] };
    [early, earlyTarget] = [[], ""];
    return 0;
  };
  parser[HTTPParser.kOnBody | 0] = (chunk) => {
    current.body.push(Buffer.from(chunk));
  };
  parser[HTTPParser.kOnMessageComplete | 0] = () => {
    requests.push({ ...current, body: Buffer.concat(current.body).toString("base64") });
    current = null;
  };
  parser.execute(bytes);
  return requests;
}

const lines = require("fs").readFileSync(0, "latin1").trim().split("\n");
const found = [names, ...lines.map((line) => parse(Buffer.from(line, "base64")))];
process.stdout.write(found.map((each) => JSON.stringify(each)).join("\n") + "\n");
