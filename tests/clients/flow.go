// The flows of golang.org/x/oauth2: `go run flow.go`; the credentials are JSON on stdin.
package main

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

type credentials struct {
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	APIKey       string `json:"api_key"`
	Username     string `json:"username"`
	Password     string `json:"password"`
	TokenURL     string `json:"token_url"`
	ClaimsURL    string `json:"claims_url"`
}

// PasswordCredentialsToken takes no further parameters, so a key goes through clientcredentials, whose grant_type may
// be replaced.
func byKey(held credentials, secret, key string) (*oauth2.Token, error) {
	config := clientcredentials.Config{
		ClientID:     held.ClientID,
		ClientSecret: secret,
		TokenURL:     held.TokenURL,
		EndpointParams: url.Values{
			"grant_type":               {"password"},
			"api_key":                  {key},
			"authentication_type_name": {"apikey"},
		},
	}
	return config.Token(context.Background())
}

func refused(_ *oauth2.Token, err error) string {
	failure, ok := err.(*oauth2.RetrieveError)
	if !ok {
		return "granted"
	}
	var body struct {
		Error string `json:"error"`
	}
	check(json.Unmarshal(failure.Body, &body))
	return body.Error
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	var held credentials
	check(json.NewDecoder(os.Stdin).Decode(&held))
	background := context.Background()
	config := oauth2.Config{
		ClientID:     held.ClientID,
		ClientSecret: held.ClientSecret,
		Endpoint:     oauth2.Endpoint{TokenURL: held.TokenURL},
	}
	keyToken, err := byKey(held, held.ClientSecret, held.APIKey)
	check(err)
	passwordToken, err := config.PasswordCredentialsToken(background, held.Username, held.Password)
	check(err)
	expired := &oauth2.Token{RefreshToken: passwordToken.RefreshToken, Expiry: time.Now().Add(-time.Hour)}
	renewed, err := config.TokenSource(background, expired).Token()
	check(err)
	response, err := config.Client(background, keyToken).Get(held.ClaimsURL)
	check(err)
	defer response.Body.Close()
	var claims struct {
		Email string `json:"email"`
	}
	check(json.NewDecoder(response.Body).Decode(&claims))
	check(json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"key":      keyToken.TokenType,
		"password": passwordToken.TokenType,
		"refresh":  renewed.RefreshToken[:3],
		"userinfo": claims.Email,
		"errors":   []string{refused(byKey(held, "x", held.APIKey)), refused(byKey(held, held.ClientSecret, "x"))},
	}))
}
