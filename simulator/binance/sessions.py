"""Operations on a connection itself: logon, status, logout, ping, time."""

from __future__ import annotations

from typing import Any

from simulator.binance.api_session import ApiSession
from simulator.binance.codes import Problem
from simulator.binance.venue import Call, Operation


def _session(call: Call) -> ApiSession:
    if call.session is None:
        raise Problem(-2015)
    return call.session


def _logon(call: Call) -> dict[str, Any]:
    """Let later requests of this connection go unsigned; Ed25519 keys only: the sheet, A2.1."""
    if not call.owner.public_key or "signature" not in call.given:
        raise Problem(-2015)
    session = _session(call)
    session.account, session.authorized_ms = call.owner, call.venue.now_ms()
    return _shown(session)


def _status(call: Call) -> dict[str, Any]:
    return _shown(_session(call))


def _logout(call: Call) -> dict[str, Any]:
    """Forget the logon, and end the user data that rest on it."""
    session = _session(call)
    session.account = session.authorized_ms = None
    for stream in session.streams.values():
        if stream.rests_on_logon:
            session.venue.users.terminate(stream)
    session.set_role()
    return _shown(session)


def _shown(session: ApiSession) -> dict[str, Any]:
    return {
        "apiKey": session.account.api_key if session.account is not None else None,
        "authorizedSince": session.authorized_ms,
        "connectedSince": session.connected_ms,
        "returnRateLimits": session.tells_limits,
        "serverTime": session.venue.now_ms(),
    }


def _ping(call: Call) -> dict[str, Any]:
    return {}


def server_time(call: Call) -> dict[str, Any]:
    """Return the venue's time."""
    return {"serverTime": call.venue.now_ms()}


METHODS = {
    operation.word: operation
    for operation in (
        Operation("login", "login", "session.logon", _logon, weight=2),
        Operation("session", "public", "session.status", _status, "public", 2),
        Operation("session", "public", "session.logout", _logout, "public", 2),
        Operation("ping", "public", "ping", _ping, "public"),
        Operation("time", "public", "time", server_time, "public"),
    )
}
PING = Operation("ping", "public", "ping", _ping, "public")
TIME = Operation("time", "public", "time", server_time, "public")
