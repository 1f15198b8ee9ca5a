// The application handshake (protocol/2-handshake.md): the challenge, and the check of the answer.
#pragma once

#include "engine/types.h"
#include "protocol/session/command.h"
#include "protocol/session/session.h"

namespace parsec::protocol {

/// The first message of a connection, as a WebSocket message.
void write_challenge(engine::OutputBuffer& out, const Challenge& challenge);
/// The last one. help: empty on success.
void write_result(engine::OutputBuffer& out, std::string_view result, std::string_view help);

/// Checks the client's answer and ends with session.accept() or session.refuse().
Command handshake(Session& session, Bytes answer);

}  // namespace parsec::protocol
