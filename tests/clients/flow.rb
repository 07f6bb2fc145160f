# The flows of the gem oauth2: `ruby flow.rb`; the credentials are JSON on stdin.
require "json"
require "oauth2"

held = JSON.parse($stdin.read)
build = lambda do |secret|
  OAuth2::Client.new(
    held["client_id"], secret, site: held["url"], token_url: held["token_url"], auth_scheme: :request_body
  )
end
key = { grant_type: "password", api_key: held["api_key"], authentication_type_name: "apikey" }

def refused
  yield
  "granted"
rescue OAuth2::Error => error
  error.code
end

client = build.call(held["client_secret"])
by_key = client.get_token(key)
by_password = client.password.get_token(held["username"], held["password"], authentication_type_name: "local")
renewed = by_password.refresh!
claims = by_key.get(held["claims_url"]).parsed
puts JSON.generate(
  key: by_key.params["token_type"],
  password: by_password.params["token_type"],
  refresh: renewed.refresh_token[0, 3],
  userinfo: claims["email"],
  errors: [
    refused { build.call("x").get_token(key) },
    refused { client.get_token(key.merge(api_key: "x")) }
  ]
)
