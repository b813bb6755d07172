"""Tests of the release that `local/release` makes of the last build: its contents, its deployment by the
questions of `sam deploy --guided`, and its programs under AWS' Runtime Interface Emulator."""

import hashlib
import json
import os
import platform
import pty
import re
import select
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
import tomllib
import unittest
import urllib.request
import zipfile
from pathlib import Path

import boto3
import samcli
from botocore.config import Config
from samcli.yamlhelper import yaml_parse

from deployment_test import ARCHITECTURE, BUILT, PROJECT, TEMPLATE, built_functions

VERSION = tomllib.loads((PROJECT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
NAME = f"auth0-login-{VERSION}-{ARCHITECTURE}"
TARBALL = PROJECT / "target" / "dist" / f"{NAME}.tar.gz"

# The release as a person unpacks it, and its programs as `FUNCTION/bootstrap`. The tests of the deployed
# form run these.
UNPACKED = PROJECT / ".aws-sam" / "release"

# Resources that ministack cannot create. An upgrade may shorten this list.
REFUSED_BY_MINISTACK = [
    "Budget",
    "Dashboard",
    "DurationAlarm",
    "ErrorAlarm",
    "FailureQuery",
    "RefusalQuery",
    "RequestQuery",
    "ThrottleAlarm",
]


def setUpModule():
    make_release()
    shutil.rmtree(UNPACKED, ignore_errors=True)
    with tarfile.open(TARBALL) as tar:
        tar.extractall(UNPACKED, filter="data")
    for archive in (UNPACKED / NAME).glob("*.zip"):
        program = UNPACKED / archive.stem / "bootstrap"
        program.parent.mkdir()
        with zipfile.ZipFile(archive) as file:
            program.write_bytes(file.read("bootstrap"))
            program.chmod(file.getinfo("bootstrap").external_attr >> 16)


def make_release():
    subprocess.run([PROJECT / "local" / "release", "--no-build"], check=True, capture_output=True)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(port, process):
    """Waits until the process listens."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{process.args} did not start")


def end(process):
    process.terminate()
    process.wait(timeout=30)


class Release(unittest.TestCase):
    """The tarball."""

    def test_it_deploys_the_stack_that_the_build_would_deploy(self):
        """So what the tests prove about the build with moto is also true of the release."""
        released = yaml_parse((UNPACKED / NAME / "template.yaml").read_text())
        built = yaml_parse((BUILT / "template.yaml").read_text())
        for template in [released, built]:
            for name in built_functions():
                resource = template["Resources"][name]
                resource.pop("Metadata", None)
                code = resource["Properties"].pop("CodeUri")
                self.assertEqual(code, f"{name}.zip" if template is released else name)
        # `sam build` adjusts their paths to its folder.
        for template in [released, built]:
            template["Metadata"].pop("AWS::ServerlessRepo::Application", None)
        self.assertEqual(released, built)

    def test_its_programs_are_those_of_the_build(self):
        for name in built_functions():
            program = UNPACKED / name / "bootstrap"
            self.assertEqual(program.read_bytes(), (BUILT / name / "bootstrap").read_bytes(), name)
            self.assertTrue(os.access(program, os.X_OK), name)

    def test_the_files_that_its_template_names_are_in_it(self):
        files = {path.name for path in (UNPACKED / NAME).iterdir()}
        programs = {f"{name}.zip" for name in built_functions()}
        self.assertEqual(files, programs | {"LICENSE", "README.md", "samconfig.toml", "template.yaml"})
        application = TEMPLATE["Metadata"]["AWS::ServerlessRepo::Application"]
        self.assertLessEqual({application["LicenseUrl"], application["ReadmeUrl"]}, files)

    def test_the_same_build_gives_the_same_bytes_and_their_checksum(self):
        digest = hashlib.sha256(TARBALL.read_bytes()).hexdigest()
        checksum = TARBALL.with_name(f"{TARBALL.name}.sha256")
        self.assertEqual(checksum.read_text(), f"{digest}  {TARBALL.name}\n")
        make_release()
        self.assertEqual(hashlib.sha256(TARBALL.read_bytes()).hexdigest(), digest)


class Guided(unittest.TestCase):
    """`sam deploy --guided` in the folder of the release, against ministack."""

    ANSWERS = {
        "AuthHost": "tenant.eu.auth0.com",
        "BaseUrl": "https://api.example.com/",
        "ClientId": "client",
        "ClientSecret": "hunter2",
    }

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name) / NAME
        shutil.copytree(UNPACKED / NAME, cls.folder)
        template = (cls.folder / "template.yaml").read_text()
        for name in REFUSED_BY_MINISTACK:
            template, found = re.subn(rf"(?m)^  {name}:\n(    .*\n|\n)*?(?=^  \S|^\S)", "", template)
            assert found == 1, name
        (cls.folder / "template.yaml").write_text(template)

        port = free_port()
        cls.environment = os.environ | {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_REGION": "eu-central-1",
        }
        log = open(PROJECT / ".aws-sam" / "ministack.log", "w")
        cls.addClassCleanup(log.close)
        ministack = subprocess.Popen(
            [os.environ["MINISTACK"]],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)},
        )
        cls.addClassCleanup(end, ministack)
        wait_for(port, ministack)

    def stack(self):
        address = self.environment["AWS_ENDPOINT_URL"]
        client = boto3.client("cloudformation", endpoint_url=address, config=Config(proxies={}))
        (stack,) = client.describe_stacks(StackName="auth0-login")["Stacks"]
        return stack

    def answer_questions(self, command):
        """Runs the command on a terminal and answers what it asks: a parameter by `ANSWERS`, everything
        else by its default. Returns the parameters in the order of the questions, and the output."""
        process, terminal = pty.fork()
        if process == 0:
            os.chdir(self.folder)
            os.execvpe(command[0], command, self.environment)
        asked, output, line = [], "", ""
        while True:
            ready, _, _ = select.select([terminal], [], [], 0.2)
            if ready:
                try:
                    read = os.read(terminal, 4096).decode(errors="replace")
                except OSError:
                    break
                if not read:
                    break
                output += read
                line = re.sub(r"\x1b\[[0-9;]*m", "", line + read).splitlines()[-1]
            elif re.search(r"(\]|Parameter \w+): *$", line):
                answer = "y" if "Deploy this changeset?" in line else ""
                if parameter := re.search(r"Parameter (\w+)", line):
                    asked.append(parameter[1])
                    answer = self.ANSWERS.get(parameter[1], "")
                os.write(terminal, f"{answer}\n".encode())
                line = ""
        _, status = os.waitpid(process, 0)
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0, output)
        return asked, output

    def test_its_questions_lead_to_a_stack_and_the_next_deployment_asks_nothing(self):
        asked, output = self.answer_questions(["sam", "deploy", "--guided"])
        self.assertEqual(asked, list(TEMPLATE["Parameters"]))
        self.assertNotIn("hunter2", output)
        saved = (self.folder / "samconfig.toml").read_text()
        self.assertIn("tenant.eu.auth0.com", saved)
        self.assertNotIn("hunter2", saved)
        created = self.stack()
        self.assertEqual(created["StackStatus"], "CREATE_COMPLETE")
        outputs = {one["OutputKey"]: one["OutputValue"] for one in created["Outputs"]}
        self.assertEqual(outputs["AllowedCallbackUrls"], "https://api.example.com/callback")

        # As with the next release: the saved answers, and the client secret that the stack has.
        again = ["sam", "deploy", "--no-confirm-changeset", "--parameter-overrides"]
        again.append("AuthHost=tenant.eu.auth0.com ClientId=client MemorySize=256")
        deployed = subprocess.run(
            again, cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        self.assertEqual(deployed.returncode, 0, deployed.stderr)
        self.assertEqual(self.stack()["StackStatus"], "UPDATE_COMPLETE")


@unittest.skipUnless(
    platform.machine() == {"arm64": "aarch64"}.get(ARCHITECTURE, ARCHITECTURE),
    "the programs are for another machine",
)
class RuntimeInterfaceEmulator(unittest.TestCase):
    """The programs under AWS' emulator of Lambda. It is an implementation of the Runtime API that AWS
    wrote, and it runs a program as Lambda does."""

    SETTINGS = {
        "AUTH_HOST": "tenant.eu.auth0.com",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_REGION": "eu-central-1",
        "BASE_URL": "https://api.example.com",
        "CLIENT_ID": "client",
        "CLIENT_SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:client-secret",
        "SECRET_KEY_ARN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:secret-key",
        "SESSION_TABLE": "sessions",
    }

    # For each function a request that it answers without the table and without Auth0.
    REQUESTS = {
        "Authorizer": ("GET", "/api/hello", None),
        "Callback": ("GET", "/callback", 400),
        "Login": ("GET", "/nowhere", 404),
        "Logout": ("POST", "/backchannel-logout", 400),
        "Protected": ("GET", "/protected", 401),
        "Refresh": ("POST", "/refresh", 403),
    }

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        # In the wheel it is not executable.
        name = "aws-lambda-rie-" + ("arm64" if ARCHITECTURE == "arm64" else "x86_64")
        self.emulator = Path(folder.name) / name
        shutil.copy(Path(samcli.__file__).parent / "local" / "rapid" / name, self.emulator)
        self.emulator.chmod(0o755)

    def invoke(self, name, method, path, settings={}, headers={}):
        """What the function answers to a request without a credential."""
        port, runtime_port = free_port(), free_port()
        emulator = subprocess.Popen(
            [
                self.emulator,
                f"--runtime-interface-emulator-address=127.0.0.1:{port}",
                f"--runtime-api-address=127.0.0.1:{runtime_port}",
                UNPACKED / name / "bootstrap",
            ],
            env=os.environ | self.SETTINGS | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(port, emulator)
            event = {
                "version": "2.0",
                "routeKey": f"{method} {path}",
                "routeArn": f"arn:aws:execute-api:eu-central-1:123456789012:api/$default/{method}{path}",
                "type": "REQUEST",
                "rawPath": path,
                "rawQueryString": "",
                "headers": {"accept": "application/json", "host": "api.example.com"} | headers,
                "requestContext": {
                    "domainName": "api.example.com",
                    "http": {"method": method, "path": path},
                    "requestId": "request",
                    "routeKey": f"{method} {path}",
                    "stage": "$default",
                },
                "isBase64Encoded": False,
            }
            address = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
            request = urllib.request.Request(address, json.dumps(event).encode())
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with direct.open(request, timeout=30) as answer:
                return json.load(answer)
        finally:
            end(emulator)
            emulator.stdout.close()

    def test_each_program_serves_a_request(self):
        self.assertEqual(set(self.REQUESTS), set(built_functions()))
        for name, (method, path, status) in self.REQUESTS.items():
            with self.subTest(name):
                answer = self.invoke(name, method, path)
                if name == "Authorizer":
                    self.assertIs(answer["isAuthorized"], False, answer)
                else:
                    self.assertEqual(answer["statusCode"], status, answer)
                    self.assertEqual(answer["headers"]["content-type"], "application/json", answer)
                    # The provider, which requests a back-channel logout, reads `error`.
                    field = "error" if name == "Logout" else "code"
                    self.assertIn(field, json.loads(answer["body"]))
                if name == "Protected":
                    self.assertEqual(answer["headers"]["www-authenticate"], 'Bearer realm="api"')

    def test_each_program_refuses_what_bypasses_the_owners_proxy(self):
        secret = "a secret that the owner made"
        settings = {"PROXY_SECRET_DIGEST": hashlib.sha256(secret.encode()).hexdigest()}
        for name, (method, path, status) in self.REQUESTS.items():
            for sent in [{}, {"x-proxy-secret": "another"}, {"x-proxy-secret": secret}]:
                with self.subTest(name, sent=sent):
                    answer = self.invoke(name, method, path, settings, sent)
                    is_admitted = secret in sent.values()
                    if name == "Authorizer":
                        is_refused = answer["context"]["code"] == "proxy_required"
                        self.assertEqual((answer["isAuthorized"], is_refused), (False, not is_admitted))
                    else:
                        self.assertEqual(answer["statusCode"], status if is_admitted else 403, answer)
                        is_refused = '"proxy_required"' in answer["body"]
                        self.assertEqual(is_refused, not is_admitted, answer)


if __name__ == "__main__":
    unittest.main()
