// A request on its way through libcurl: how it is asked, and what is taken as its answer.
//
// The outbound thread only.
#pragma once

#include <curl/curl.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/outbound/outbound.h"

namespace parsec::engine {

struct OutboundTransfer {
  /// Tells `easy` what to do; this stays where it is until take_down().
  void set_up(const OutboundDestinationSettings& settings);
  /// `easy` is done, and out of libcurl's multi handle; it can be used again. The code as it is
  /// after a look at what came.
  CURLcode take_down(CURLcode code);

  std::unique_ptr<OutboundRequest> request;
  OutboundChannel* channel = nullptr;
  std::uint32_t tries = 0;
  std::size_t expected_bytes = 0;  // while under way: what it was let in for
  TimePoint not_before{};          // resting until another try
  CURL* easy = nullptr;            // while under way
  curl_slist* headers = nullptr;
  char error[CURL_ERROR_SIZE] = {};

 private:
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* transfer);
  static std::size_t on_head(char* data, std::size_t size, std::size_t count, void* transfer);
};

}  // namespace parsec::engine
