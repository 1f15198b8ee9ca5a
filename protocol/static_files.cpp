#include "protocol/static_files.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace parsec::protocol {
namespace {

constexpr std::string_view base_css = R"(:root {
  color-scheme: light dark;
  --accent: #0a63c9;
  --text: #1d2733;
  --muted: #5b6875;
  --page: #f4f6f9;
  --card: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --accent: #6db0ff;
    --text: #e6ebf1;
    --muted: #9aa7b4;
    --page: #12171d;
    --card: #1b222b;
  }
}
body {
  margin: 0;
  min-height: 100vh;
  display: grid;
  place-items: center;
  background: var(--page);
  color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif;
}
main {
  max-width: 34rem;
  margin: 1.5rem;
  padding: 2rem 2.5rem;
  background: var(--card);
  border-radius: 0.75rem;
}
h1 { margin-top: 0; font-size: 1.5rem; }
p { color: var(--muted); }
a { color: var(--accent); }
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
