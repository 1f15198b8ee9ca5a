#include "protocol/pages/static_files.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace parsec::protocol {
namespace {

constexpr std::string_view base_css = R"(:root {
  color-scheme: light dark;
  --accent: #0a5fc2;
  --on-accent: #ffffff;
  --text: #15202c;
  --muted: #4a5866;
  --line: #dfe5ec;
  --page: #f3f5f8;
  --glow: #dbe8f8;
  --card: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --accent: #79b6ff;
    --on-accent: #0b1623;
    --text: #eef2f6;
    --muted: #a3b0bd;
    --line: #2b3541;
    --page: #10151b;
    --glow: #17263a;
    --card: #1a212a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0;
  min-height: 100vh;
  min-height: 100svh;
  display: grid;
  place-items: center;
  padding: 1.25rem;
  background: radial-gradient(60rem 30rem at 50% 0, var(--glow), transparent) var(--page) no-repeat;
  color: var(--text);
  font: 1rem/1.6 system-ui, sans-serif;
}
main {
  width: 100%;
  max-width: 36rem;
  padding: clamp(1.5rem, 6vw, 3rem);
  background: var(--card);
  border: 1px solid var(--line);
  border-radius: 1.125rem;
  box-shadow: 0 1.25rem 3rem -1.5rem rgb(0 20 50 / 25%);
}
header { display: flex; align-items: center; gap: 0.75rem; margin-bottom: 2rem; }
header strong { letter-spacing: 0.16em; }
h1 { margin: 0 0 1rem; font-size: clamp(1.375rem, 5vw, 1.625rem); line-height: 1.25; }
p { margin: 0 0 1rem; color: var(--muted); }
a { color: var(--accent); }
a:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }
nav { display: flex; flex-wrap: wrap; gap: 0.75rem; margin-top: 2rem; }
nav a {
  flex: 1 1 auto;
  padding: 0.75rem 1.25rem;
  border: 1px solid var(--accent);
  border-radius: 0.625rem;
  font-weight: 600;
  text-align: center;
  text-decoration: none;
}
nav a:first-child { background: var(--accent); color: var(--on-accent); }
)";

constexpr std::string_view favicon_svg =
    R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">)"
    R"(<path fill="#0a63c9" d="M8 0 14 2v6c0 4-3 6.500-6 8-3-1.500-6-4-6-8V2z"/>)"
    R"(<path fill="#fff" d="M5 7V6a3 3 0 0 1 6 0v1h1v5H4V7zm1.500 0h3V6a1.500 1.500 0 0 0-3 0z"/>)"
    "</svg>\n";

/// The same picture, 16 by 16: `#` is the shield, `o` the padlock on it.
constexpr std::array<std::string_view, 16> icon_rows = {
    ".......##.......",  //
    "....########....",  //
    "..############..",  //
    "..####oooo####..",  //
    "..###oo##oo###..",  //
    "..###o####o###..",  //
    "..###o####o###..",  //
    "..#oooooooooo#..",  //
    "..#oooooooooo#..",  //
    "..#oooo##oooo#..",  //
    "...oooo##oooo...",  //
    "...oooooooooo...",  //
    "....########....",  //
    ".....######.....",  //
    "......####......",  //
    ".......##.......",  //
};

/// ICO file: ICONDIR, one ICONDIRENTRY, and a BITMAPINFOHEADER with 32-bit pixels, rows from the
/// bottom, whose height counts the (empty) transparency mask too.
constexpr std::size_t icon_side = icon_rows.size();
constexpr std::size_t icon_headers = 6 + 16;
constexpr std::size_t bitmap_bytes = 40 + icon_side * icon_side * 4 + icon_side * 4;

class IconWriter {
 public:
  constexpr std::array<char, icon_headers + bitmap_bytes> write() {
    put({0, 1, 1}, 2);
    put({icon_side, icon_side, 0, 0}, 1);
    put({1, 32}, 2);
    put({bitmap_bytes, icon_headers}, 4);

    put({40, icon_side, icon_side * 2}, 4);
    put({1, 32}, 2);
    put({0, 0, 0, 0, 0, 0}, 4);
    for (std::size_t row = icon_side; row-- > 0;) {
      for (const char pixel : icon_rows[row]) {
        put({pixel == '#' ? 0xFF0A63C9u : pixel == 'o' ? 0xFFFFFFFFu : 0u}, 4);
      }
    }
    return bytes_;  // the mask is all zero: transparency is in the pixels
  }

 private:
  /// Little endian.
  constexpr void put(std::initializer_list<std::size_t> values, std::size_t width) {
    for (auto value : values) {
      for (std::size_t i = 0; i < width; ++i, value >>= 8) {
        bytes_[at_++] = static_cast<char>(static_cast<unsigned char>(value & 0xFF));
      }
    }
  }

  std::array<char, icon_headers + bitmap_bytes> bytes_{};
  std::size_t at_ = 0;
};

constexpr auto favicon_ico = IconWriter{}.write();

struct NamedFile {
  std::string_view name;
  StaticFile file;
};

constexpr NamedFile files[] = {
    {"base.css", {"text/css;charset=utf-8", base_css}},
    {"favicon.ico", {"image/x-icon", {favicon_ico.data(), favicon_ico.size()}}},
    {"favicon.svg", {"image/svg+xml", favicon_svg}},
};

}  // namespace

std::optional<StaticFile> find_static_file(std::string_view name) {
  for (const auto& known : files) {
    if (known.name == name) return known.file;
  }
  return std::nullopt;
}

}  // namespace parsec::protocol
