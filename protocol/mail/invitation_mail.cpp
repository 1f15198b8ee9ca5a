#include "protocol/mail/invitation_mail.h"

#include <initializer_list>
#include <utility>

#include "protocol/mail/mime.h"

namespace parsec::protocol {
namespace {

constexpr std::string_view get_application = "https://parsec.cloud/en/get-parsec";

/// What is written for {{name}}.
using Values = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// What a mail says, beside what all mails share. Texts may name values.
struct Wording {
  std::string_view action;  // of the link
  std::string_view subject;
  std::string_view title;
  std::string_view introduction;
  std::string_view first, first_detail;  // what to do, in three steps
  std::string_view second, button;
  std::string_view third, third_detail;
  std::string_view caution;
};

constexpr Wording user_wording{
    .action = "claim_user",
    .subject = "[Parsec] {{greeter}} invited you to {{organization}}",
    .title = "You are invited to {{organization}}",
    .introduction =
        "{{who}} invited you to the organization {{organization}} on Parsec, where\n"
        "files are shared end-to-end encrypted: only you and the people you\n"
        "choose can read them.",
    .first = "Get the Parsec application",
    .first_detail = "Skip this if it is there already.",
    .second = "Open the invitation",
    .button = "Accept the invitation",
    .third = "Meet {{greeter}}",
    .third_detail =
        "Once both of you are connected, the application shows each of you a\n"
        "short code. Tell them to each other by phone or face to face: so you\n"
        "know that nobody stands between you.",
    .caution =
        "The link is meant for you alone, please do not pass it on. If you do not\n"
        "know {{greeter}}, just ignore this mail.",
};

constexpr Wording device_wording{
    .action = "claim_device",
    .subject = "[Parsec] New device invitation to {{organization}}",
    .title = "A new device for {{organization}}",
    .introduction =
        "{{who}}, you asked to add a device to your account in the\n"
        "organization {{organization}} on Parsec.",
    .first = "Get the Parsec application on the new device",
    .first_detail = "Skip this if it is there already.",
    .second = "Open the invitation on the new device",
    .button = "Add this device",
    .third = "Keep your present device at hand",
    .third_detail =
        "Start the greeting there. Each of the two devices shows a short code\n"
        "that you find again on the other one: so you know that nobody\n"
        "stands between them.",
    .caution =
        "The link is meant for you alone, please do not pass it on. If you did not\n"
        "ask for a new device, do not open it, and tell an administrator of your\n"
        "organization.",
};

constexpr std::string_view text_layout = R"({{introduction}}

1. {{first}}
   {{application}}
   {{first_detail}}

2. {{second}}
   {{link}}
   or copy this address into the application:
   {{address}}

3. {{third}}
{{third_detail}}

{{caution}}
)";

/// Styles stand in the elements, as many mail programs drop <style>; there only what changes in
/// the dark. No picture, nothing that is fetched.
constexpr std::string_view html_layout = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{{subject}}</title>
<style>
@media (prefers-color-scheme: dark) {
  .page { background: #10151b !important; }
  .card { background: #1a212a !important; border-color: #2b3541 !important; }
  .strong { color: #eef2f6 !important; }
  .soft { color: #a3b0bd !important; }
  .accent { color: #79b6ff !important; }
  .badge { background: #22384f !important; color: #9fcbff !important; }
  .button { background: #1f6fd0 !important; }
}
@media (max-width: 480px) {
  .card { padding: 28px 20px !important; }
}
</style>
</head>
<body class="page" style="margin:0;padding:0;background:#f3f5f8;">
<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" border="0" style="background:#f3f5f8;">
<tr><td align="center" style="padding:32px 12px;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5;">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:560px;">
<tr><td class="accent" style="padding:0 4px 16px;font-size:15px;font-weight:700;letter-spacing:.16em;color:#0a5fc2;">PARSEC</td></tr>
<tr><td class="card" style="padding:36px 40px;background:#ffffff;border:1px solid #dfe5ec;border-radius:14px;">
<h1 class="strong" style="margin:0 0 16px;font-size:24px;line-height:1.3;font-weight:700;color:#15202c;overflow-wrap:anywhere;">{{title}}</h1>
<p class="soft" style="margin:0 0 28px;color:#4a5866;overflow-wrap:anywhere;">{{introduction}}</p>
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0">
<tr>
<td width="44" valign="top"><div class="badge" style="width:28px;height:28px;line-height:28px;border-radius:14px;background:#e4effb;color:#0a5fc2;font-weight:700;font-size:14px;text-align:center;">1</div></td>
<td valign="top" style="padding:2px 0 24px;"><a class="accent" href="{{application}}" style="color:#0a5fc2;font-weight:600;">{{first}}</a><br><span class="soft" style="color:#4a5866;font-size:14px;">{{first_detail}}</span></td>
</tr>
<tr>
<td width="44" valign="top"><div class="badge" style="width:28px;height:28px;line-height:28px;border-radius:14px;background:#e4effb;color:#0a5fc2;font-weight:700;font-size:14px;text-align:center;">2</div></td>
<td valign="top" style="padding:2px 0 28px;"><span class="strong" style="color:#15202c;font-weight:600;">{{second}}</span><br>
<a class="button" href="{{link}}" style="display:inline-block;margin-top:12px;padding:13px 26px;border-radius:9px;background:#0a5fc2;color:#ffffff;font-weight:600;text-decoration:none;">{{button}}</a></td>
</tr>
<tr>
<td width="44" valign="top"><div class="badge" style="width:28px;height:28px;line-height:28px;border-radius:14px;background:#e4effb;color:#0a5fc2;font-weight:700;font-size:14px;text-align:center;">3</div></td>
<td valign="top" style="padding:2px 0 4px;overflow-wrap:anywhere;"><span class="strong" style="color:#15202c;font-weight:600;">{{third}}</span><br><span class="soft" style="color:#4a5866;font-size:14px;">{{third_detail}}</span></td>
</tr>
</table>
</td></tr>
<tr><td class="soft" style="padding:20px 4px 0;color:#5d6b79;font-size:13px;overflow-wrap:anywhere;">
<p style="margin:0 0 12px;">The button does not work? Copy this address into your browser:<br><a class="accent" href="{{link}}" style="color:#0a5fc2;overflow-wrap:anywhere;word-break:break-all;">{{link}}</a><br>Or this one into the Parsec application:<br><span class="accent" style="color:#0a5fc2;overflow-wrap:anywhere;word-break:break-all;">{{address}}</span></p>
<p style="margin:0;">{{caution}}</p>
</td></tr>
</table>
</td></tr>
</table>
</body>
</html>
)";

/// Values are written as they are: what looks like a name in one of them stays.
std::string fill(std::string_view layout, Values values) {
  std::string out;
  while (true) {
    const auto open = layout.find("{{");
    out += layout.substr(0, open);
    if (open == layout.npos) return out;
    layout.remove_prefix(open + 2);
    const auto close = layout.find("}}");
    for (const auto& [name, value] : values) {
      if (name == layout.substr(0, close)) out += value;
    }
    layout.remove_prefix(close + 2);
  }
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

/// Isolated: a name written from right to left leaves the words around it where they are.
std::string isolated(std::string_view text) { return "<bdi>" + escape_html(text) + "</bdi>"; }

/// Each line moved in by three.
std::string indented(std::string_view text) {
  std::string out = "   ";
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "   ";
  }
  return out;
}

std::string part(std::string_view boundary, std::string_view type, std::string_view body) {
  return "--" + std::string{boundary} + "\r\nContent-Type: " + std::string{type} +
         "; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
         mime::quoted_printable(body) + "\r\n";
}

/// The values as they stand on one line of plain text.
struct Names {
  std::string greeter;
  std::string who;  // with the address, if there is one
  std::string organization;
  std::string link;     // for browsers, which lead to the address
  std::string address;  // parsec://…, for the application
};

std::string text_body(const Wording& wording, const Names& names) {
  const auto said = [&](std::string_view text) {
    return fill(
        text,
        {{"greeter", names.greeter}, {"who", names.who}, {"organization", names.organization}});
  };
  return fill(text_layout, {{"introduction", said(wording.introduction)},
                            {"first", wording.first},
                            {"application", get_application},
                            {"first_detail", wording.first_detail},
                            {"second", wording.second},
                            {"link", names.link},
                            {"address", names.address},
                            {"third", said(wording.third)},
                            {"third_detail", indented(wording.third_detail)},
                            {"caution", said(wording.caution)}});
}

std::string html_body(const Wording& wording, const Names& names, std::string_view subject) {
  const std::string greeter = isolated(names.greeter);
  const std::string who = isolated(names.who);
  const std::string organization = isolated(names.organization);
  const auto said = [&](std::string_view text) {
    return fill(text, {{"greeter", greeter}, {"who", who}, {"organization", organization}});
  };
  return fill(html_layout, {{"subject", escape_html(subject)},
                            {"title", said(wording.title)},
                            {"introduction", said(wording.introduction)},
                            {"first", wording.first},
                            {"application", get_application},
                            {"first_detail", wording.first_detail},
                            {"second", wording.second},
                            {"button", wording.button},
                            {"link", escape_html(names.link)},
                            {"address", escape_html(names.address)},
                            {"third", said(wording.third)},
                            {"third_detail", wording.third_detail},
                            {"caution", said(wording.caution)}});
}

/// The greeter's own address, for answers to an invitation; empty if it is none that can be
/// written.
std::string reply_to(const InvitationMail& invitation) {
  if (invitation.kind != InvitationMail::Kind::user || !invitation.greeter) return {};
  auto address = parse_mail_address(invitation.greeter->email);
  if (!address) return {};
  return mime::mailbox_header("Reply-To", {invitation.greeter->label, std::move(*address)});
}

}  // namespace

std::expected<MailMessage, std::string> compose(const InvitationMail& invitation,
                                                const MailOrigin& origin, DateTime now,
                                                std::string_view unique_id) {
  auto recipient = parse_mail_address(invitation.recipient);
  if (!recipient) return std::unexpected{"the recipient is no mail address: " + recipient.error()};
  const Wording& wording =
      invitation.kind == InvitationMail::Kind::user ? user_wording : device_wording;

  Names names;
  names.greeter =
      mime::one_line(invitation.greeter ? invitation.greeter->label : invitation.greeter_user_id);
  names.who = names.greeter;
  if (invitation.greeter) names.who += " (" + mime::one_line(invitation.greeter->email) + ")";
  names.organization = mime::one_line(invitation.organization_id);
  names.link = origin.backend_address.redirect_link(names.organization, wording.action,
                                                    invitation.token.hex());
  names.address =
      origin.backend_address.link(names.organization, wording.action, invitation.token.hex());
  const std::string subject =
      fill(wording.subject, {{"greeter", names.greeter}, {"organization", names.organization}});

  const std::string id{unique_id};
  const std::string boundary = "=_" + id;  // which no line of quoted-printable holds
  std::string content = mime::date_header("Date", now);
  content += "Message-ID: <" + id + "@" + std::string{origin.sender.domain()} + ">\r\n";
  content += mime::mailbox_header("From", origin.sender);
  content += mime::mailbox_header("To", {.label = {}, .address = *recipient});
  content += reply_to(invitation);
  content += mime::text_header("Subject", subject);
  content += "Auto-Submitted: auto-generated\r\n";  // RFC 3834: no automatic replies, please
  content += "MIME-Version: 1.0\r\n";
  content += "Content-Type: multipart/alternative;\r\n boundary=\"" + boundary + "\"\r\n\r\n";
  content += part(boundary, "text/plain", text_body(wording, names));
  content += part(boundary, "text/html", html_body(wording, names, subject));
  content += "--" + boundary + "--\r\n";
  return MailMessage{origin.sender.address, std::move(*recipient), std::move(content)};
}

}  // namespace parsec::protocol
