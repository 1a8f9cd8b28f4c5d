"""Canaille, an identity server, on loopback: in memory, with one person and one client.

Prints one line of JSON when it listens. A line on its standard input has it change its keys.
"""

import json
import os
import sys
import threading
import uuid
import wsgiref.simple_server

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from canaille import create_app  # noqa: E402
from canaille.app import models  # noqa: E402
from canaille.backends import Backend  # noqa: E402
from joserfc.jwk import JWKRegistry  # noqa: E402

CLIENT, SECRET = "scim-client", "s3cret of the client"
PERSON, PASSWORD = "robot", "the robot's own password"


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_request(self, *_):
        pass


def new_key(kind, size):
    key = JWKRegistry.generate_key(kind, size)
    key.ensure_kid()
    return key.as_dict(private=True)


def main():
    server = wsgiref.simple_server.make_server("localhost", 0, None, handler_class=Quiet)
    url = f"http://localhost:{server.server_port}"
    app = create_app(
        config={
            "ENV_FILE": None,
            "SECRET_KEY": str(uuid.uuid4()),
            "PREFERRED_URL_SCHEME": "http",
            "SERVER_NAME": url.removeprefix("http://"),
            "CANAILLE": {
                "DATABASE": "memory",
                "JAVASCRIPT": False,
                "ACL": {"DEFAULT": {"PERMISSIONS": ["use_oidc"]}},
                "LOGGING": {"version": 1},
            },
            "CANAILLE_OIDC": {"ACTIVE_JWKS": [new_key("RSA", 2048)]},
        }
    )
    with app.app_context():
        person = models.User(
            formatted_name="The Robot",
            family_name="Robot",
            user_name=PERSON,
            emails=["robot@example.com"],
            password=PASSWORD,
        )
        Backend.instance.save(person)
        client = models.Client(
            client_id=CLIENT,
            client_secret=SECRET,
            client_name="SCIM client",
            client_uri="http://localhost",
            redirect_uris=["http://localhost/unused"],
            grant_types=["password", "client_credentials"],
            response_types=["code"],
            scope=["openid", "profile"],
            token_endpoint_auth_method="client_secret_basic",
        )
        Backend.instance.save(client)
        client.audience = [client]
        Backend.instance.save(client)
    server.set_app(app)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"url": url}), flush=True)
    for _ in sys.stdin:
        app.config["CANAILLE_OIDC"]["ACTIVE_JWKS"] = [new_key("RSA", 2048)]
        print(json.dumps({"keys": "changed"}), flush=True)


if __name__ == "__main__":
    main()
