"""The application "harder to learn from" in the browser: Voilà, reachable from this machine and with a token only.

Voilà's own token covers its page, its kernel interface and its websocket, but not its files below /voila/. So a door
stands before all of it: a request without the token, or without the login it gave, never reaches Voilà.
"""

import hmac
import logging
import os
import secrets
import threading
import webbrowser
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from jupyter_server.base.handlers import AuthenticatedFileHandler
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest, split_host_and_port
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.routing import Router
from traitlets.config import Config
from voila.app import Voila
from voila.tornado.handler import TornadoVoilaHandler

from workbench.apps.photos import private_folder
from workbench.config import ConfigError
from workbench.files import atomic
from workbench.files.places import own
from workbench.sweep import kernels

NOTEBOOK = "app/protect_my_photos.ipynb"
LARGEST_MESSAGE = 2**30  # bytes; more than the panel accepts, so that the panel can say what is too large
IDLE = 20 * 60  # seconds after which a kernel without a page is ended, and its photos are removed
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src data:; font-src 'self' data:; connect-src 'self' ws://{host}; "
    "object-src 'none'; frame-ancestors 'none'; form-action 'none'"
)


class Refused(web.RequestHandler):
    """What stands behind the door for everybody else."""

    def prepare(self) -> None:
        """Refuse every method and every path alike."""
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("Open the whole address that `workbench app` printed: its end is the key to this page.\n")


class Door(Router):
    """Hands a request on to Voilà only if it carries the token, or the cookie that Voilà gave for it."""

    def __init__(self, application: web.Application, token: str):
        self.application, self.token = application, token
        self.refused = web.Application([(r".*", Refused)], log_function=lambda handler: None)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """Give the next one to handle the request."""
        behind = self.application if self.opens(request) else self.refused
        return behind.find_handler(request, **kwargs)

    def opens(self, request: HTTPServerRequest) -> bool:
        """Tell whether the request names this machine (not a foreign name that points to it) and is known."""
        if split_host_and_port(request.host.lower())[0] not in ("127.0.0.1", "localhost"):
            return False
        for given in parse_qs(request.query).get("token", []):
            if hmac.compare_digest(given.encode(), self.token.encode()):
                return True
        provider = self.application.settings["identity_provider"]
        handler = web.RequestHandler(self.application, request)
        cookie = handler.get_signed_cookie(provider.get_cookie_name(handler))
        return cookie is not None


class Page(TornadoVoilaHandler):
    """Voilà's page. It also gets the cookie without which its request to end the kernel, when it closes, is refused."""

    async def prepare(self, **named: Any) -> None:
        """Read the token, which sets the cookie."""
        await super().prepare(**named)
        self.xsrf_token  # noqa: B018


class Download(AuthenticatedFileHandler):
    """The finished copies: nothing but the zip file in a kernel's private folder, and as a download only."""

    def set_extra_headers(self, path: str) -> None:
        """Let the browser neither show nor keep it."""
        super().set_extra_headers(path)
        self.set_header("Content-Disposition", 'attachment; filename="copies-harder-to-learn-from.zip"')
        self.set_header("Cache-Control", "no-store")


class App(Voila):
    """Voilà with the door before it, on sockets that are bound already."""

    name = "voila"

    def __init__(self, sockets: list[Any], photos: Path, **settings: Any):
        super().__init__(**settings)
        self.sockets, self.photos = sockets, photos

    def load_config_file(self, *words: Any, **named: Any) -> None:
        """Read none: a voila.json in some folder must not loosen what is set here."""

    def init_handlers(self) -> list[Any]:
        """Put our own before Voilà's."""
        name = rf"/photos/({private_folder.PREFIX}\w+/copies\.zip)"
        theirs = super().init_handlers()
        pages = [(path, Page if kind is TornadoVoilaHandler else kind, *rest) for path, kind, *rest in theirs]
        return [(name, Download, {"path": str(self.photos)}), *pages]

    def _handle_signal_stop(self, sig: int, frame: Any) -> None:
        """Take SIGTERM as Ctrl-C, also before the loop is there that Voilà would stop."""
        raise KeyboardInterrupt

    def listen(self) -> None:
        """Serve until Ctrl-C, then end the kernels."""
        server = HTTPServer(Door(self.app, self.token))
        server.add_sockets(self.sockets)
        self.ioloop = IOLoop.current()
        try:
            self.ioloop.start()
        except KeyboardInterrupt:
            pass
        finally:
            server.stop()
            self.stop()


def serve(port: int = 8866, *, open_browser: bool = True) -> int:
    """Serve the application on 127.0.0.1 until Ctrl-C and return 0. port 0: any free one.

    Photos live in a private temporary folder, which Voilà does not serve and which is removed in the end.
    """
    if not 0 <= port <= 65535:
        raise ConfigError(f"port is {port}: it must be in 0..65535")
    notebook = own("notebooks") / NOTEBOOK
    try:
        sockets = bind_sockets(port, "127.0.0.1")
    except OSError as error:
        raise ConfigError(f"port {port} cannot be used ({error.strerror}): name another one with --port") from error
    host = f"127.0.0.1:{sockets[0].getsockname()[1]}"
    token = secrets.token_urlsafe(32)
    address = f"http://{host}/?token={token}"
    photos = private_folder.private_folder()
    os.environ[private_folder.PLACE] = str(photos)
    logging.getLogger("tornado").setLevel(logging.CRITICAL)
    try:
        with kernels.talking(photos) as talk:  # a folder that no other user of the machine can reach
            app = App(sockets, photos, config=_config(token, host, photos, talk), log_level=logging.CRITICAL)
            app.initialize([str(notebook)])
            IOLoop.current()  # made before anybody is told to come: a signal amid its making ends in a traceback
            print(f"Open {address} in your browser. Ctrl-C ends the application and removes its photos.", flush=True)
            if open_browser:
                threading.Thread(target=_open, args=(address, photos), daemon=True).start()
            app.start()
    except KeyboardInterrupt:
        pass
    finally:
        del os.environ[private_folder.PLACE]
        private_folder.remove(photos)
    print("The application has ended, and its photos are removed.", flush=True)
    return 0


def _config(token: str, host: str, photos: Path, talk: Mapping[str, str]) -> Config:
    headers: Mapping[str, str] = {
        "Content-Security-Policy": POLICY.format(host=host),  # the page's template names fonts on the internet
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
    config = Config()
    config.Voila.token = token
    config.Voila.open_browser = False
    config.Voila.connection_dir_root = str(photos)
    config.Voila.tornado_settings = {
        "websocket_max_message_size": LARGEST_MESSAGE,
        "allow_remote_access": False,
        "headers": dict(headers),
        "log_function": lambda handler: None,
    }
    config.VoilaConfiguration.file_allowlist = []
    config.VoilaConfiguration.show_tracebacks = False
    config.VoilaConfiguration.strip_sources = True
    config.VoilaConfiguration.allow_template_override = "NO"
    config.VoilaConfiguration.allow_theme_override = "NO"
    config.VoilaConfiguration.kernel_spec_manager_class = kernels.Own
    config.KernelManager.update(talk)
    config.MappingKernelManager.cull_idle_timeout = IDLE
    config.MappingKernelManager.cull_interval = 60
    return config


def _open(address: str, photos: Path) -> None:
    """Open the browser by a private file that leads on: other users see a program's arguments, and so the token."""
    page = photos / "open.html"
    with atomic.creating(page) as file:
        file.write(f'<meta http-equiv="refresh" content="0;url={escape(address)}">'.encode())
    try:
        webbrowser.open(page.as_uri())
    except webbrowser.Error:
        return
