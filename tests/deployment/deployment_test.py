"""Tests of the output of `sam build`, the template as transformed by SAM, and the stack that moto's
CloudFormation creates from it."""

import ast
import io
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import unittest
import zipfile
from pathlib import Path

import boto3
from botocore.config import Config
from samcli.cli.types import CfnParameterOverridesType
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform

PROJECT = Path(__file__).parents[2]
BUILT = PROJECT / ".aws-sam" / "build"
TEMPLATE = yaml_parse((PROJECT / "template.yaml").read_text())

# The machine in an ELF header, by Lambda's name of the architecture.
MACHINES = {"x86_64": 62, "arm64": 183}
(ARCHITECTURE,) = TEMPLATE["Globals"]["Function"]["Architectures"]
# The glibc version of provided.al2023.
GLIBC_OF_LAMBDA = (2, 34)
# How long API Gateway waits for a function and for an authorizer, in seconds.
GATEWAY_PATIENCE = 30
AUTHORIZER_PATIENCE = 10

# The outputs of a stack behind a proxy do not refer to the API, which moto does not create.
PARAMETERS = {
    "AuthHost": "tenant.eu.auth0.com",
    "BaseUrl": "https://api.example.com/",
    "ClientId": "client",
    "ClientSecret": "hunter2",
    "HelloFunction": "true",
}

# Resource types that moto does not create from a template. An upgrade may shorten this list.
IGNORED_BY_MOTO = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Stage",
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::Alarm",
    "AWS::Logs::MetricFilter",
    "AWS::Logs::QueryDefinition",
    "AWS::SecretsManager::Secret",
}


def functions():
    return {
        name: resource
        for name, resource in TEMPLATE["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def built_functions():
    """The functions with a program. The others have inline code in the template."""
    return {
        name: function
        for name, function in functions().items()
        if "InlineCode" not in function["Properties"]
    }


def documents():
    """The documents that contain tables or code which tests hold against the sources."""
    return "\n".join((PROJECT / name).read_text() for name in ["README.md", "functions/README.md"])


def documented_code(language, word):
    """The one piece of code in the documents in this language that contains this word."""
    pieces = re.findall(rf"^```{language}\n(.*?)```", documents(), re.S | re.M)
    (piece,) = [piece for piece in pieces if word in piece]
    return piece


class Moto:
    """An AWS emulated by moto, with CloudFormation, DynamoDB, IAM, Lambda, S3 and a few other
    services."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self.log = open(PROJECT / ".aws-sam" / "moto.log", "w+")
        self.process = subprocess.Popen(
            ["moto_server", "--host", "127.0.0.1", "--port", str(port)],
            stdout=self.log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"},
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        self.end()
        raise RuntimeError(f"moto did not start: {self.text()}")

    def client(self, service):
        # Ignores a proxy that the environment may name.
        return boto3.client(service, endpoint_url=self.address, config=Config(proxies={}))

    def text(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()

    def end(self):
        self.process.terminate()
        self.process.wait(timeout=30)


def setUpModule():
    global MOTO, TRANSFORMED, SNIPPET
    MOTO = Moto()
    unittest.addModuleCleanup(MOTO.end)
    MOTO.client("s3").create_bucket(
        Bucket="artifacts", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    packaged = PROJECT / ".aws-sam" / "packaged.yaml"
    subprocess.run(
        ["sam", "package", "--s3-bucket", "artifacts", "--output-template-file", packaged],
        cwd=PROJECT,
        env=os.environ | {"AWS_ENDPOINT_URL": MOTO.address},
        check=True,
        capture_output=True,
    )
    TRANSFORMED = transform(
        yaml_parse(packaged.read_text()), {}, ManagedPolicyLoader(MOTO.client("iam"))
    )
    (PROJECT / ".aws-sam" / "transformed.json").write_text(json.dumps(TRANSFORMED, indent=2))
    # README.md tells readers to paste this into their own stacks.
    snippet = yaml_parse(documented_code("yaml", "Ref AuthorizerArn"))
    SNIPPET = transform(snippet, {}, ManagedPolicyLoader(MOTO.client("iam")))
    (PROJECT / ".aws-sam" / "snippet.json").write_text(json.dumps(SNIPPET, indent=2))


def decided(value, holds):
    """`value` as CloudFormation resolves it if these conditions hold or not."""
    if isinstance(value, list):
        items = [decided(item, holds) for item in value]
        return [item for item in items if item != {"Ref": "AWS::NoValue"}]
    if isinstance(value, dict):
        if "Fn::If" in value and value["Fn::If"][0] in holds:
            condition, yes, no = value["Fn::If"]
            return decided(yes if holds[condition] else no, holds)
        fields = {key: decided(item, holds) for key, item in value.items()}
        return {key: item for key, item in fields.items() if item != {"Ref": "AWS::NoValue"}}
    return value


def paths(has_hello):
    """The paths of the API, with the example or without it."""
    body = TRANSFORMED["Resources"]["HttpApi"]["Properties"]["Body"]
    return decided(body["paths"], {"HasHello": has_hello})


def authorizer_of(transformed, api):
    """The only authorizer of this API, as API Gateway would import it."""
    (scheme,) = transformed["Resources"][api]["Properties"]["Body"]["components"][
        "securitySchemes"
    ].values()
    return scheme["x-amazon-apigateway-authorizer"]


class Artifacts(unittest.TestCase):
    """The files that would be uploaded."""

    def test_each_function_has_its_program(self):
        for name in built_functions():
            program = BUILT / name / "bootstrap"
            self.assertTrue(os.access(program, os.X_OK), program)
            self.assertEqual([path.name for path in program.parent.iterdir()], ["bootstrap"])
            head = program.read_bytes()[:20]
            self.assertEqual(head[:5], b"\x7fELF\x02", name)
            self.assertEqual(int.from_bytes(head[18:20], "little"), MACHINES[ARCHITECTURE], name)

    def test_the_template_alone_decides_the_architecture(self):
        """SAM passes --arm64 for arm64 and nothing for x86_64."""
        build = tomllib.loads((PROJECT / "CargoLambda.toml").read_text())["build"]
        self.assertEqual(build, {"x86_64": True})
        for name, function in functions().items():
            self.assertNotIn("Architectures", function["Properties"], name)

    def test_they_need_no_newer_glibc_than_lambdas(self):
        for name in built_functions():
            versions = re.findall(rb"GLIBC_(\d+)\.(\d+)", (BUILT / name / "bootstrap").read_bytes())
            newest = max((int(major), int(minor)) for major, minor in versions)
            self.assertLessEqual(newest, GLIBC_OF_LAMBDA, name)

    def test_each_is_built_from_its_own_package(self):
        """A build from the workspace's root would enable the features that the tests need."""
        for name, function in built_functions().items():
            binary = function["Metadata"]["BuildProperties"]["Binary"]
            manifest = PROJECT / function["Properties"]["CodeUri"] / "Cargo.toml"
            self.assertEqual(tomllib.loads(manifest.read_text())["package"]["name"], binary, name)

    def test_they_are_small(self):
        for name in built_functions():
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
                file.write(BUILT / name / "bootstrap", "bootstrap")
            size = archive.tell()
            print(f"{name}: {size / 1e6:.2f} MB zipped", file=sys.stderr)
            self.assertLess(size, 5_000_000, name)


# Values that the pattern of a parameter must take, and values that a function refuses at its start.
PATTERNS = {
    "AuthHost": (
        [
            "tenant.eu.auth0.com",
            "https://login.example.com/",
            "login.xn--p1ai",
            "https://login.example.com/realms/main",
            "https://login.example.com/application/o/main/",
        ],
        [
            "",
            "tenant",
            "http://tenant.eu.auth0.com",
            "tenant.auth0.com/path",
            "https://login.example.com/{tenant}",
            "https://login.example.com/.well-known/openid-configuration",
            "https://login.example.com?a",
            "127.0.0.1",
            "a b.com",
        ],
    ),
    "ProviderName": (["", "Okta", "Müller & Söhne"], ["a\tb", "x" * 65]),
    "AuthEndpointHosts": (
        ["", "oauth2.googleapis.com, www.googleapis.com:8443"],
        ["localhost", "127.0.0.1", "https://a.com", "a.com/path", "*.a.com", "a.com,"],
    ),
    "ClientId": (["k5Xc"], ["", "a b"]),
    "Audience": (["", "https://api.example.com/v1"], ["an api"]),
    "Scope": (
        ["openid", "openid email", "email openid", "openid  read:a offline_access"],
        ["", "email", "openidx", "email,openid", 'openid a"b', "openid a\\b"],
    ),
    "Connections": (["", "none", "github, Username-Password-Authentication"], ["a b<c>", ","]),
    "DomainName": (["", "login.example.com", "xn--e1afmkfd.xn--p1ai"], ["Login.example.com", "com", "a.1"]),
    "BaseUrl": (
        ["", "https://login.example.com", "https://login.example.com/"],
        ["http://login.example.com", "https://a.com/path", "https://u@a.com", "login.example.com"],
    ),
    "ProxySecretDigest": (["", "0" * 64, "0" * 64 + ", " + "a" * 64], ["hunter2", "0" * 63, "G" * 64]),
    "AllowedOrigins": (
        ["", "https://a.com", "https://a.com, https://b.com:8443/"],
        ["http://a.com", "https://a.com/path", "https://*.a.com", "*", "a.com"],
    ),
    "RouteRules": (
        [
            "",
            "GET:/api/hello=read:hello;GET:/api/me=",
            "ANY:/a/{proxy+}=admin,https://example.com/roles=Billing%20Admin;$default=person=true;",
        ],
        ["GET", "GET:/api/hello", "get:/a=", "GET:a=", "GET /a=b", "GET:/a=b, GET:/c=d"],
    ),
    "RouteScopes": (
        [
            "",
            "GET /api/hello = read:hello write:hello; ANY /api/admin/{proxy+} = admin; $default = x;",
        ],
        # The first is what remains of an unquoted value with spaces.
        ["GET", "GET /api/hello", "get /a =", "GET a =", "GET /a = b, GET /c = d"],
    ),
    "ContextClaims": (["", "nickname", "https://example.com/roles, nickname"], ["a b", ",", "a,"]),
    "AllowedEmailDomains": (["", "example.com, b.example.org"], ["com", ".com", "a@b.com", "a.com b.com"]),
    "Organization": (
        ["", "required", "org_9ybsU1dN2dKfDkBi"],
        ["acme", "org_", "org_a-b", "org_a,org_b", "Required"],
    ),
    "AllowedClients": (["", "client-1, client_2"], ["a b", ","]),
    "AppName": (["", "Acme", "Zoë & Söhne"], ["a\tb", "a\nb", "x" * 65]),
    "LogoUrl": (
        ["", "https://cdn.example.com/logo.svg?v=1", "https://cdn.example.com:8443/"],
        ["http://a.com/logo.svg", "/logo.svg", "data:image/png,", "https://u@a.com/", "https://a;b/", "https://*.a.com/"],
    ),
    "AccentColor": (["", "#2b4cc0", "#2B4CC0"], ["2b4cc0", "#2b4", "blue", "#2b4cg0"]),
    "SessionIdle": (["30m", "12h", "7d", "1h 30m"], ["", "soon", "12", "0h", "-1h", "12 h"]),
    "SessionLifetime": (["30m", "12h", "7d", "1h30m"], ["", "0d", "7 days!"]),
    "KmsKeyArn": (["", "arn:aws:kms:eu-central-1:1:key/2"], ["alias/aws/dynamodb", "2"]),
}


class Version(unittest.TestCase):
    """The version of the workspace is the only one."""

    def test_every_place_names_the_version_of_the_workspace(self):
        manifest = tomllib.loads((PROJECT / "Cargo.toml").read_text())
        version = manifest["workspace"]["package"]["version"]
        self.assertIn(f"Auth0 login {version} in front of an API", TEMPLATE["Description"])
        application = TEMPLATE["Metadata"]["AWS::ServerlessRepo::Application"]
        self.assertEqual(application["SemanticVersion"], version)
        changes = (PROJECT / ".github" / "CHANGELOG.md").read_text()
        self.assertRegex(changes, rf"\n## (Unreleased: )?{re.escape(version)}\n")
        if platform.machine() not in [ARCHITECTURE, {"arm64": "aarch64"}.get(ARCHITECTURE)]:
            self.skipTest("the programs are for another machine")
        for name, function in built_functions().items():
            program = function["Metadata"]["BuildProperties"]["Binary"]
            printed = subprocess.check_output([BUILT / name / "bootstrap", "--version"], text=True)
            self.assertEqual(printed, f"{program} (auth0-login) {version}\n")


class Parameters(unittest.TestCase):
    """What CloudFormation accepts."""

    def test_a_parameter_takes_no_value_that_a_function_refuses(self):
        for name, (good, bad) in PATTERNS.items():
            pattern = TEMPLATE["Parameters"][name]["AllowedPattern"]
            for value in good:
                self.assertTrue(re.fullmatch(pattern, value), (name, value))
            for value in bad:
                self.assertFalse(re.fullmatch(pattern, value), (name, value))

    def test_every_pattern_has_its_explanation(self):
        for name, parameter in TEMPLATE["Parameters"].items():
            self.assertIn("Description", parameter, name)
            self.assertEqual("AllowedPattern" in parameter, "ConstraintDescription" in parameter, name)

    def test_the_console_groups_and_labels_every_parameter(self):
        interface = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]
        grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
        self.assertEqual(grouped, list(TEMPLATE["Parameters"]))
        self.assertEqual(list(interface["ParameterLabels"]), grouped)

    def test_a_list_of_routes_survives_the_command_line(self):
        """SAM cuts an unquoted value at its first space."""
        routes = "GET:/api/hello=read:hello;GET:/api/me="
        given = CfnParameterOverridesType().convert((f"RouteRules={routes}", "Debug=true"), None, None)
        self.assertEqual(given, {"RouteRules": routes, "Debug": "true"})


class Command(unittest.TestCase):
    """`local/deploy`, with a `curl` that answers as a deployment would."""

    ANSWERS = {
        "/": "200 content-type: text/html",
        "/protected": "401 www-authenticate: Bearer",
        "/login": "303 location: https://tenant.eu.auth0.com/authorize",
        "/backchannel-logout": "400 content-type: application/json",
    }

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for name in ["local/deploy", "template.yaml"]:
            (self.folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(PROJECT / name, self.folder / name)
        (self.folder / ".deploy.env").write_text("AuthHost=tenant.eu.auth0.com\nClientId=client\n")
        environment = self.folder / "tests" / "deployment" / "environment"
        environment.parent.mkdir(parents=True)
        # The tools are those of this test.
        for path in [environment, self.folder / "local" / "cargo-lambda"]:
            path.write_text("#!/bin/sh\necho /nowhere\n")
            path.chmod(0o755)

    def run_command(self, *arguments, **answers):
        curl = self.folder / "bin" / "curl"
        curl.parent.mkdir(exist_ok=True)
        cases = ""
        for path, answer in (self.ANSWERS | answers).items():
            status, header = answer.split(" ", 1)
            cases += f'*.com{path}) printf "HTTP/2 {status}\\r\\n{header}\\r\\n" ;;\n'
        curl.write_text(f'#!/usr/bin/env bash\ncase "${{!#}}" in\n{cases}esac\n')
        curl.chmod(0o755)
        return subprocess.run(
            [self.folder / "local" / "deploy", *arguments],
            env=os.environ | {"PATH": f"{curl.parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def build(self, machine):
        program = self.folder / ".aws-sam" / "build" / "Login" / "bootstrap"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(11) + machine.to_bytes(2, "little"))
        shutil.copy(PROJECT / "template.yaml", self.folder / ".aws-sam" / "build" / "template.yaml")

    def test_a_good_deployment_passes_the_check(self):
        checked = self.run_command("--check", "https://a.com/")
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertEqual(checked.stdout.count("ok: "), 4)

    def test_the_check_names_what_is_wrong(self):
        for path, answer, complaint in [
            ("/", "500 content-type: text/html", "GET /: 500 instead of 200"),
            ("/protected", "200 a: b", "GET /protected: 200 instead of 401"),
            ("/protected", "401 x-amzn-remapped-www-authenticate: Bearer", "GET /protected: no header"),
            ("/login", "303 location: https://evil.example/", "GET /login: no header"),
            ("/backchannel-logout", "404 a: b", "POST /backchannel-logout: 404 instead of 400"),
        ]:
            checked = self.run_command("--check", "https://a.com", **{path: answer})
            self.assertEqual(checked.returncode, 1, path)
            self.assertIn(complaint, checked.stderr)

    def test_nothing_is_deployed_without_a_build(self):
        refused = self.run_command("--no-build")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("there is no build", refused.stderr)

    def test_a_build_for_another_machine_is_not_deployed(self):
        other = next(number for name, number in MACHINES.items() if name != ARCHITECTURE)
        self.build(other)
        refused = self.run_command("--no-build")
        self.assertEqual(refused.returncode, 1)
        self.assertIn(f"bootstrap is not for {ARCHITECTURE}: build again", refused.stderr)

    def test_a_build_of_another_template_is_not_deployed(self):
        self.build(MACHINES[ARCHITECTURE])
        template = self.folder / "template.yaml"
        other = next(name for name in MACHINES if name != ARCHITECTURE)
        template.write_text(template.read_text().replace(f"[{ARCHITECTURE}]", f"[{other}]"))
        refused = self.run_command("--no-build")
        self.assertEqual(refused.returncode, 1)
        self.assertIn(f"the build is not for {other}", refused.stderr)


class Template(unittest.TestCase):
    """The template that CloudFormation would get."""

    def test_the_transformed_template_passes_cfn_lint(self):
        for file in ["transformed.json", "snippet.json"]:
            self.assert_passes_cfn_lint(file)

    def assert_passes_cfn_lint(self, file):
        # SAM repeats the condition of a function inside its route, which W1028 reports.
        lint = subprocess.run(
            ["cfn-lint", "--ignore-checks", "W1028", "--", PROJECT / ".aws-sam" / file],
            capture_output=True,
            text=True,
        )
        self.assertEqual((lint.returncode, lint.stdout), (0, ""), lint.stderr)

    def test_the_api_routes_each_path_to_its_function(self):
        expected = {
            "/": "login",
            "/$default": "login",
            "/backchannel-logout": "logout",
            "/callback": "callback",
            "/login": "login",
            "/logout": "logout",
            "/protected": "protected",
            "/refresh": "refresh",
            "/signed-out": "logout",
        }
        routed = {}
        for path, methods in paths(has_hello=False).items():
            self.assertEqual(list(methods), ["x-amazon-apigateway-any-method"], path)
            method = methods["x-amazon-apigateway-any-method"]
            integration = method["x-amazon-apigateway-integration"]
            self.assertEqual(integration["type"], "aws_proxy")
            self.assertEqual(integration["payloadFormatVersion"], "2.0")
            (name,) = re.findall(r"\$\{(\w+)\.Arn\}", integration["uri"]["Fn::Sub"])
            routed[path] = functions()[name]["Metadata"]["BuildProperties"]["Binary"]
            self.assertEqual(method.get("isDefaultRoute", False), path == "/$default")
        self.assertEqual(routed, expected)

    def test_the_example_adds_its_route_and_its_alarms_only_if_it_is_on(self):
        self.assertEqual(TEMPLATE["Parameters"]["HelloFunction"]["Default"], "false")
        without, example = paths(has_hello=False), paths(has_hello=True)
        self.assertEqual(set(example) - set(without), {"/api/hello"})
        self.assertEqual(list(example["/api/hello"]), ["get"])
        for name, resource in TRANSFORMED["Resources"].items():
            is_of_example = name.startswith("Hello")
            self.assertEqual(resource.get("Condition") == "HasHello", is_of_example, name)
            if not is_of_example:
                text = json.dumps(decided(resource, {"HasHello": False}))
                self.assertNotIn("Hello", text, name)

    def test_the_api_may_call_each_function_only_for_its_routes(self):
        allowed = {}
        for resource in TRANSFORMED["Resources"].values():
            if resource["Type"] == "AWS::Lambda::Permission":
                properties = resource["Properties"]
                self.assertEqual(properties["Principal"], "apigateway.amazonaws.com")
                pattern = properties["SourceArn"]["Fn::Sub"][0]
                (route,) = re.findall(r"\$\{__ApiId__\}(?:/\$\{__Stage__\})?(/.*)", pattern)
                function = properties["FunctionName"]
                function = function["Ref"] if "Ref" in function else function["Fn::GetAtt"][0]
                allowed.setdefault(function, set()).add(route)
        self.assertEqual(
            allowed,
            {
                # It also serves requests without a route.
                "Login": {"/*"},
                "Callback": {"/*/callback"},
                "Protected": {"/*/protected"},
                "Logout": {"/*/backchannel-logout", "/*/logout", "/*/signed-out"},
                "Refresh": {"/*/refresh"},
                # It is only an authorizer and has no route.
                "Authorizer": {"/authorizers/*"},
                "Hello": {"/GET/api/hello"},
            },
        )

    def test_the_api_leaves_preflights_and_authorization_to_the_functions(self):
        body = TRANSFORMED["Resources"]["HttpApi"]["Properties"]["Body"]
        for word in ["x-amazon-apigateway-cors", "CorsConfiguration"]:
            self.assertNotIn(word, json.dumps(body))
        # Only the function without its own check has an authorizer. A default would block the login.
        secured = {
            path: method["security"]
            for path, methods in paths(has_hello=True).items()
            for method in methods.values()
            if "security" in method
        }
        self.assertEqual(secured, {"/api/hello": [{"SessionAuthorizer": []}]})
        self.assertNotIn("security", body)

    def test_r207_every_route_with_settings_exists(self):
        """Settings of a missing route would make the deployment of the stage fail."""
        routes = {f"ANY {path}" for path in paths(has_hello=False) if path != "/$default"}
        stage = TRANSFORMED["Resources"]["HttpApiApiGatewayDefaultStage"]["Properties"]
        self.assertEqual(set(stage["RouteSettings"]), routes)

    def test_r152_authorizer_decisions_are_not_cached(self):
        for transformed, api in [(TRANSFORMED, "HttpApi"), (SNIPPET, "Api")]:
            authorizer = authorizer_of(transformed, api)
            self.assertEqual(authorizer["authorizerResultTtlInSeconds"], 0)
            # With one, decisions could be cached, and the gateway would reject requests without it.
            self.assertEqual(authorizer["identitySource"], [])
            self.assertEqual(authorizer["authorizerPayloadFormatVersion"], "2.0")
            self.assertIs(authorizer["enableSimpleResponses"], True)

    def test_only_the_api_of_another_stack_may_call_the_authorizer(self):
        (permission,) = [
            resource["Properties"]
            for resource in SNIPPET["Resources"].values()
            if resource["Type"] == "AWS::Lambda::Permission"
        ]
        self.assertEqual(permission["FunctionName"], {"Ref": "AuthorizerArn"})
        self.assertEqual(permission["Principal"], "apigateway.amazonaws.com")
        pattern, names = permission["SourceArn"]["Fn::Sub"]
        self.assertTrue(pattern.endswith(":${__ApiId__}/authorizers/*"), pattern)
        self.assertEqual(names, {"__ApiId__": {"Ref": "Api"}})
        self.assertIn("AuthorizerArn", TEMPLATE["Outputs"])

    def test_functions_time_out_before_the_gateway(self):
        for name in functions():
            timeout = TRANSFORMED["Resources"][name]["Properties"]["Timeout"]
            patience = AUTHORIZER_PATIENCE if name == "Authorizer" else GATEWAY_PATIENCE
            self.assertLess(timeout, patience, name)

    def test_r173_the_access_log_contains_no_client_input(self):
        stage = TRANSFORMED["Resources"]["HttpApiApiGatewayDefaultStage"]["Properties"]
        line = json.loads(stage["AccessLogSettings"]["Format"])
        self.assertEqual(
            set(line.values()),
            {
                "$context.requestId",
                "$context.requestTime",
                "$context.identity.sourceIp",
                "$context.routeKey",
                "$context.protocol",
                "$context.status",
                "$context.responseLength",
                "$context.responseLatency",
                "$context.integration.requestId",
                "$context.integration.integrationStatus",
                "$context.integrationLatency",
                "$context.error.responseType",
                "$context.integrationErrorMessage",
                "$context.authorizer.error",
                "$context.authorizer.code",
            },
        )

    def test_the_documented_rollout_covers_every_function_and_the_authorizer(self):
        with tempfile.TemporaryDirectory() as folder:
            template = Path(folder) / "template.yaml"
            shutil.copy(PROJECT / "template.yaml", template)
            subprocess.run(
                ["git", "apply", "-"],
                cwd=folder,
                env=os.environ | {"GIT_CEILING_DIRECTORIES": str(Path(folder).parent)},
                input=documented_code("diff", "AutoPublishAlias"),
                text=True,
                check=True,
            )
            text = re.sub(r"(CodeUri: ).*", r"\1s3://artifacts/program", template.read_text())
        rollout = transform(yaml_parse(text), {}, ManagedPolicyLoader(MOTO.client("iam")))
        (PROJECT / ".aws-sam" / "rollout.json").write_text(json.dumps(rollout, indent=2))
        self.assert_passes_cfn_lint("rollout.json")
        resources = rollout["Resources"]
        for name in functions():
            policy = resources[f"{name}Aliaslive"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
            group = resources[policy["DeploymentGroupName"]["Ref"]]
            alarms = group["Properties"]["AlarmConfiguration"]["Alarms"]
            self.assertEqual(len(alarms), 4, name)
            self.assertEqual(group.get("Condition"), resources[name].get("Condition"), name)
        for resource in resources.values():
            if resource["Type"] == "AWS::Lambda::Permission":
                self.assertTrue(resource["Properties"]["FunctionName"]["Ref"].endswith("Aliaslive"))
        uri = authorizer_of(rollout, "HttpApi")["authorizerUri"]["Fn::Sub"][1]
        self.assertEqual(uri, {"__FunctionArn__": {"Ref": "AuthorizerAliaslive"}})
        self.assertEqual(rollout["Outputs"]["AuthorizerArn"]["Value"], {"Ref": "AuthorizerAliaslive"})

    def test_a_failed_first_deployment_can_be_rolled_back(self):
        """What holds data is deleted with its failed creation, and kept otherwise."""
        for name in ["SessionTable", "SecretKey", "ClientSecretStore"]:
            resource = TRANSFORMED["Resources"][name]
            self.assertEqual(resource["DeletionPolicy"], "RetainExceptOnCreate", name)
            self.assertEqual(resource["UpdateReplacePolicy"], "Retain", name)
        self.assertEqual(TEMPLATE["Parameters"]["TableDeletionProtection"]["Default"], "false")

    def test_the_alarms_watch_every_function(self):
        resources = decided(TRANSFORMED["Resources"], {"HasHello": True}).values()
        alarms = [one for one in resources if one["Type"] == "AWS::CloudWatch::Alarm"]
        watched = {}
        for alarm in alarms:
            for metric in alarm["Properties"].get("Metrics", []):
                if "MetricStat" in metric:
                    source = metric["MetricStat"]["Metric"]
                    (dimension,) = source["Dimensions"]
                    watched.setdefault(source["MetricName"], set()).add(dimension["Value"]["Ref"])
        every = set(functions())
        self.assertEqual(watched, {"Errors": every, "Throttles": every, "Duration": every})
        self.assertEqual(len(alarms), 5)
        for alarm in alarms:
            self.assertEqual(alarm["Properties"]["OKActions"], alarm["Properties"]["AlarmActions"])

    def test_the_dashboard_is_json(self):
        body = TRANSFORMED["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
        self.assertEqual(len(json.loads(body)["widgets"]), 5)

    def test_the_event_of_the_alarm_is_logged(self):
        pattern = TEMPLATE["Resources"]["FailedLogins"]["Properties"]["FilterPattern"]
        (event,) = re.findall(r'^\{ \$\.event = "([a-z._]+)" \}$', pattern)
        source = (PROJECT / "functions" / "callback" / "src" / "error.rs").read_text()
        self.assertIn("=> LogEvent::LoginFailed", source)
        names = (PROJECT / "shared" / "src" / "names.rs").read_text()
        self.assertRegex(names, rf'LoginFailed\b.*"{re.escape(event)}"')

    def test_every_documented_setting_can_be_deployed(self):
        """Except settings for local runs and those that Lambda sets."""
        rows = re.findall(r"^\| (`[A-Z_`, ]+`) \|", documents(), re.M)
        settings = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
        settings = {name for name in settings if not name.startswith("AWS_")}
        self.assertIn("AUTH_HOST", settings)
        others = {
            "DYNAMODB_PORT",
            "HOST",
            "HTTPS_PROXY",
            "LOG_FORMAT",
            "NO_PROXY",
            "PORT",
            "PROVIDER_PORT",
            "SESSION_STORE",
            "SSL_CERT_DIR",
            "SSL_CERT_FILE",
            "TOKEN_LIFETIME",
        }
        variables = set(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
        for function in built_functions().values():
            variables |= set(function["Properties"]["Environment"]["Variables"])
        plain = {name.removesuffix("_ARN") for name in variables}
        self.assertEqual(plain, {name.removesuffix("_ARN") for name in settings - others})


class Deployment(unittest.TestCase):
    """The stack that moto creates."""

    @classmethod
    def setUpClass(cls):
        cls.template = json.loads(json.dumps(TRANSFORMED))
        cls.secrets = {}
        # moto does not create secrets from templates, so its API creates them from the same properties.
        for name, resource in list(cls.template["Resources"].items()):
            if resource["Type"] == "AWS::SecretsManager::Secret":
                cls.secrets[name] = cls.make_secret(name, resource["Properties"])
        cls.template = cls.name_secrets(cls.template)
        formation = MOTO.client("cloudformation")
        formation.create_stack(StackName="auth0-login", **cls.stack_of(PARAMETERS))
        (cls.stack,) = formation.describe_stacks(StackName="auth0-login")["Stacks"]
        outputs = cls.stack["Outputs"]
        cls.outputs = {output["OutputKey"]: output["OutputValue"] for output in outputs}

    @classmethod
    def stack_of(cls, parameters):
        return {
            "TemplateBody": json.dumps(cls.template),
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
            "Capabilities": ["CAPABILITY_IAM"],
        }

    @staticmethod
    def make_secret(name, properties):
        client = MOTO.client("secretsmanager")
        text = properties.get("SecretString")
        if text is None:
            drawn = client.get_random_password(**properties["GenerateSecretString"])
            text = drawn["RandomPassword"]
        else:
            text = PARAMETERS[text["Ref"]]
        return client.create_secret(
            Name=name, Description=properties["Description"], SecretString=text
        )["ARN"]

    @classmethod
    def name_secrets(cls, value):
        """`value` with the ARNs of the secrets filled in as CloudFormation would, and without the
        items of lists that these parameters leave out, which moto keeps."""
        if isinstance(value, list):
            return [cls.name_secrets(item) for item in value if not is_left_out(item)]
        if isinstance(value, dict):
            if set(value) == {"Ref"} and value["Ref"] in cls.secrets:
                return cls.secrets[value["Ref"]]
            return {key: cls.name_secrets(item) for key, item in value.items()}
        return value

    def lambda_of(self, name, stack="auth0-login"):
        found = MOTO.client("lambda").list_functions()["Functions"]
        of_stack = f"{stack}-{name}-"
        (function,) = [one for one in found if one["FunctionName"].startswith(of_stack)]
        return function

    def test_moto_creates_the_stack_except_unsupported_resources(self):
        self.assertEqual(self.stack["StackStatus"], "CREATE_COMPLETE")
        ignored = set(re.findall(r"No Moto CloudFormation support for (\S+)", MOTO.text()))
        self.assertEqual(ignored, IGNORED_BY_MOTO)

    def test_a_second_stack_is_created_updated_and_deleted_beside_the_first(self):
        formation = MOTO.client("cloudformation")
        formation.create_stack(StackName="second", **self.stack_of(PARAMETERS))
        self.addCleanup(self.delete_logs_of, "second")
        formation.update_stack(StackName="second", **self.stack_of(PARAMETERS | {"MemorySize": "256"}))
        (second,) = formation.describe_stacks(StackName="second")["Stacks"]
        self.assertEqual(second["StackStatus"], "UPDATE_COMPLETE")
        self.assertEqual(self.lambda_of("Login", "second")["MemorySize"], 256)
        formation.delete_stack(StackName="second")
        self.assertEqual(self.lambda_of("Login")["MemorySize"], 512)
        tables = MOTO.client("dynamodb").list_tables()["TableNames"]
        self.assertIn(self.outputs["SessionTableName"], tables)
        left = MOTO.client("lambda").list_functions()["Functions"]
        self.assertFalse([one for one in left if one["FunctionName"].startswith("second-")])

    def test_the_example_is_not_deployed_unless_it_is_on(self):
        formation = MOTO.client("cloudformation")
        plain = self.stack_of(PARAMETERS | {"HelloFunction": "false"})
        formation.create_stack(StackName="plain", **plain)
        self.addCleanup(self.delete_logs_of, "plain")
        self.addCleanup(formation.delete_stack, StackName="plain")
        found = formation.list_stack_resources(StackName="plain")["StackResourceSummaries"]
        found = {one["LogicalResourceId"] for one in found}
        self.assertLessEqual(set(built_functions()), found)
        self.assertFalse([name for name in found if name.startswith("Hello")])

    @staticmethod
    def delete_logs_of(stack):
        """moto keeps the log groups of a deleted stack."""
        client = MOTO.client("logs")
        for group in client.describe_log_groups()["logGroups"]:
            if stack in group["logGroupName"]:
                client.delete_log_group(logGroupName=group["logGroupName"])

    def test_the_outputs_are_the_settings_for_auth0(self):
        self.assertEqual(self.outputs["Url"], "https://api.example.com/")
        self.assertEqual(self.outputs["AllowedCallbackUrls"], "https://api.example.com/callback")
        self.assertEqual(self.outputs["AllowedLogoutUrls"], "https://api.example.com/signed-out")
        self.assertEqual(self.outputs["ApplicationLoginUri"], "https://api.example.com/login")
        self.assertEqual(
            self.outputs["BackChannelLogoutUrl"], "https://api.example.com/backchannel-logout"
        )
        self.assertNotIn("DomainTarget", self.outputs)
        self.assertEqual(self.outputs["SecretKeyArn"], self.secrets["SecretKey"])
        self.assertEqual(self.outputs["ClientSecretArn"], self.secrets["ClientSecretStore"])

    def test_the_table_has_the_key_of_the_store(self):
        client = MOTO.client("dynamodb")
        table = client.describe_table(TableName=self.outputs["SessionTableName"])["Table"]
        self.assertEqual(table["KeySchema"], [{"AttributeName": "pk", "KeyType": "HASH"}])
        types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
        self.assertEqual(
            types, {"pk": "S", "subject": "B", "provider_session": "B", "issued_at": "N"}
        )
        indexes = {
            index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]]
            for index in table["GlobalSecondaryIndexes"]
        }
        self.assertEqual(
            indexes,
            {
                "by_subject": ["subject", "issued_at"],
                "by_provider_session": ["provider_session", "subject"],
            },
        )
        self.assertEqual(table["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST")
        self.assertIs(table["DeletionProtectionEnabled"], False)
        backups = client.describe_continuous_backups(TableName=table["TableName"])
        backups = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        self.assertEqual(backups["PointInTimeRecoveryStatus"], "DISABLED")
        for name in functions():
            variables = self.lambda_of(name)["Environment"]["Variables"]
            self.assertEqual(variables["SESSION_TABLE"], table["TableName"])

    def test_r179_the_secrets_have_the_right_contents(self):
        client = MOTO.client("secretsmanager")
        key = client.get_secret_value(SecretId=self.secrets["SecretKey"])["SecretString"]
        # 64 alphanumeric characters. A comma would split the key into two.
        self.assertRegex(key, r"^[A-Za-z0-9]{64}$")
        secret = client.get_secret_value(SecretId=self.secrets["ClientSecretStore"])["SecretString"]
        self.assertEqual(secret, PARAMETERS["ClientSecret"])
        for name in functions():
            variables = self.lambda_of(name)["Environment"]["Variables"]
            self.assertNotIn(secret, variables.values())
            self.assertNotIn(key, variables.values())

    def test_r181_each_function_has_its_own_role_with_only_its_permissions(self):
        client = MOTO.client("iam")
        table = MOTO.client("dynamodb").describe_table(TableName=self.outputs["SessionTableName"])
        table = table["Table"]["TableArn"]
        key, secret = self.secrets["SecretKey"], self.secrets["ClientSecretStore"]
        slide = "pk expires_at used_at"
        sliding = (table, f"UpdateItem session# | {slide}")
        documents = (table, "BatchGetItem provider#")
        documents_and_pointers = (table, "BatchGetItem provider# token#")
        sharing = (table, "UpdateItem provider#")
        reading = (table, "GetItem session# token#")
        renewing = (
            "pk cookie_key current_token ends_at expires_at lease_owner lease_until previous_token "
            "previous_token_key previous_token_until refresh_sealed refresh_version refreshed_at "
            "sealed used_at"
        )
        expected = {
            "Login": {
                (table, "GetItem session#"),
                sliding,
                documents,
                sharing,
                (key, "GetSecretValue"),
            },
            "Callback": {
                documents,
                sharing,
                (table, "ConditionCheckItem ended#"),
                (table, "PutItem once# session# token#"),
                (table, "DeleteItem session#"),
                (table, "GetItem session#"),
                (key, "GetSecretValue"),
                (secret, "GetSecretValue"),
            },
            "Protected": {reading, sliding, documents_and_pointers},
            "Logout": {
                reading,
                sliding,
                documents_and_pointers,
                sharing,
                (table, "PutItem ended# once#"),
                (table, "DeleteItem session#"),
                (f"{table}/index/by_subject", "Query"),
                (f"{table}/index/by_provider_session", "Query"),
                (secret, "GetSecretValue"),
            },
            "Refresh": {
                (table, "GetItem session#"),
                documents,
                sharing,
                (table, "PutItem token#"),
                (table, "DeleteItem session#"),
                (table, f"UpdateItem session# | {renewing}"),
                (secret, "GetSecretValue"),
            },
            "Authorizer": {reading, sliding, documents_and_pointers, sharing},
            "Hello": set(),
        }
        found = {}
        for name in functions():
            # A function made from Protected has its rights.
            expected.setdefault(name, expected["Protected"])
            role = client.get_role(RoleName=self.lambda_of(name)["Role"].split("/")[-1])["Role"]
            self.assertRegex(
                role["PermissionsBoundary"]["PermissionsBoundaryArn"],
                ":policy/auth0-login-FunctionBoundary-",
            )
            (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
            self.assertEqual(trusted["Principal"], {"Service": ["lambda.amazonaws.com"]})
            found[name] = set()
            for policy in client.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
                document = client.get_role_policy(RoleName=role["RoleName"], PolicyName=policy)
                # moto stores it in Python syntax.
                document = ast.literal_eval(document["PolicyDocument"])
                for statement in document["Statement"]:
                    rows, attributes = [], []
                    if "Condition" in statement:
                        rows, attributes = limits(statement["Condition"])
                    for action in as_list(statement["Action"]):
                        for resource in as_list(statement["Resource"]):
                            right = [action.split(":")[1], *rows, *attributes]
                            found[name].add((resource, " ".join(right)))
        self.assertEqual(found, expected)

    def test_the_functions_match_the_build(self):
        for name in built_functions():
            function = self.lambda_of(name)
            self.assertEqual(function["Runtime"], "provided.al2023")
            self.assertEqual(function["Handler"], "bootstrap")
            self.assertEqual(function["Architectures"], [ARCHITECTURE])
            timeout = 9 if name == "Authorizer" else 25
            self.assertEqual((function["MemorySize"], function["Timeout"]), (512, timeout))
            self.assertGreater(function["CodeSize"], 1_000_000)
        hello = self.lambda_of("Hello")
        self.assertEqual((hello["Runtime"], hello["Handler"]), ("python3.13", "index.handler"))

    def test_logs_are_kept_for_a_limited_time(self):
        self.assertEqual(self.outputs["AccessLogGroup"], "/aws/vendedlogs/auth0-login/api")
        groups = MOTO.client("logs").describe_log_groups()["logGroups"]
        kept = {group["logGroupName"]: group["retentionInDays"] for group in groups}
        self.assertEqual(
            kept, {self.outputs["FunctionLogGroup"]: 30, self.outputs["AccessLogGroup"]: 30}
        )


def is_left_out(item):
    """Whether this is an optional part of the template. None is on with the tests' parameters, except
    the example's metrics in the alarms, which moto ignores."""
    return isinstance(item, dict) and item.get("Fn::If", [])[2:] == [{"Ref": "AWS::NoValue"}]


def limits(condition):
    """The rows and attributes to which a statement is limited. Asserts that there are no other
    conditions, and that none holds for a request without the condition key."""
    patterns = as_list(condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"])
    expected = {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": patterns},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }
    attributes = []
    if "ForAllValues:StringEquals" in condition:
        names = as_list(condition["ForAllValues:StringEquals"]["dynamodb:Attributes"])
        expected["ForAllValues:StringEquals"] = {"dynamodb:Attributes": names}
        expected["StringEqualsIfExists"] = {"dynamodb:ReturnValues": "NONE"}
        expected["Null"]["dynamodb:Attributes"] = "false"
        attributes = ["|", *names]
    assert condition == expected, condition
    return [pattern.removesuffix("*") for pattern in patterns], attributes


def as_list(value):
    return value if isinstance(value, list) else [value]


if __name__ == "__main__":
    unittest.main()
