"""Files: the style sheets, the script, and small pictures by the content they show. No other file is ever sent."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from dissect.exchange.pages import TEMPLATES as SHARED
from dissect.serve.auth import Limits
from dissect.serve.errors import ErrorAnswer

router = APIRouter()
OWN = Path(__file__).resolve().parent / "templates"
FILES = {
    "dissect.css": (SHARED, "text/css"), "serve.css": (OWN, "text/css"), "serve.js": (OWN, "text/javascript"),
}  # fmt: skip
DAY, YEAR = 86_400, 31_536_000
DIGEST = 32
"""Bytes at the end of a kept thumbnail: SHA-256 of the JPEG before them."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@functools.cache
def asset(name: str) -> tuple[bytes, str, str]:
    """Bytes, type and hash of one of `FILES`."""
    folder, kind = FILES[name]
    data = (folder / name).read_bytes()
    return data, kind, hashlib.sha256(data).hexdigest()[:16]


@functools.cache
def asset_address(name: str) -> str:
    """Where a page finds the file; another content has another address, so that a browser may keep it for ever."""
    return f"/static/{name}?v={asset(name)[2]}"


@router.get("/static/{name}", include_in_schema=False)
async def static(request: Request, name: str) -> Response:
    """A style sheet or the script."""
    if name not in FILES:
        raise HTTPException(404)
    data, kind, digest = asset(name)
    return kept(request, data, kind, digest, YEAR)


JPEG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}}, "description": "a small JPEG"},
    404: {"model": ErrorAnswer, "description": "no such picture is kept"},
    "default": {"model": ErrorAnswer, "description": "any other error, in the same shape"},
}


@router.get("/t/{sha256}.jpg", tags=["pictures"], response_class=Response, responses=JPEG)
def picture(request: Request, limits: Limits, sha256: str) -> Response:
    """The small copy of the image whose file has this SHA-256, as the network saw it."""
    data = thumbnail(limits.thumbnails, sha256)
    if data is None:
        raise HTTPException(404, "no picture of this content was kept. Run the probe again to make it.")
    return kept(request, data, "image/jpeg", hashlib.sha256(data).hexdigest()[:16], DAY)


def kept(request: Request, data: bytes, kind: str, digest: str, seconds: int) -> Response:
    """A file with its tag, or 304 where the client has it already."""
    headers = {"ETag": f'"{digest}"', "Cache-Control": f"private, max-age={seconds}{', immutable' if seconds == YEAR else ''}"}
    asked = request.headers.get("if-none-match", "")
    if asked == "*" or f'"{digest}"' in [tag.strip().removeprefix("W/") for tag in asked.split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=kind, headers=headers)


def thumbnail(folder: Path | None, sha256: str) -> bytes | None:
    """The JPEG that the cache keeps of an image; None if it has none, or a damaged one, or a link that leads out of its folder."""
    if folder is None or _SHA256.fullmatch(sha256) is None:
        return None
    path = folder / sha256[:2] / f"{sha256}-112.jpg"
    try:
        if not path.resolve(strict=True).is_relative_to(folder.resolve()):
            return None
        data = path.read_bytes()
    except OSError:
        return None
    picture, digest = data[:-DIGEST], data[-DIGEST:]
    return picture if hashlib.sha256(picture).digest() == digest else None
