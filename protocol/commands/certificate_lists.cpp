#include "protocol/commands/certificate_lists.h"

#include <algorithm>
#include <cassert>

#include "db/functions/apiv1_invitation.h"
#include "db/functions/user.h"

namespace parsec::protocol::commands {

namespace {

using Columns = db::functions::UserGetColumns;
using CreatorColumns = db::functions::InvitationCreatorColumns;
static_assert(Columns::list == CreatorColumns::list);
static_assert(Columns::certificate == CreatorColumns::certificate);

}  // namespace

std::size_t CertificateLists::list_of(int row) const {
  const auto found = std::ranges::find(names, rows_.text(row, Columns::list));
  assert(found != names.end());
  return static_cast<std::size_t>(found - names.begin());
}

bool CertificateLists::count() {
  while (row_ < rows_.count()) {
    ++counts_[list_of(row_++)];
    if (reply_.is_time_to_yield()) return true;
  }
  return false;
}

void CertificateLists::begin(std::string_view key, std::string_view list) {
  list_ = static_cast<std::size_t>(std::ranges::find(names, list) - names.begin());
  row_ = 1;
  reply_.key(key).array(counts_[list_]);
}

bool CertificateLists::write() {
  while (row_ < rows_.count()) {
    const int row = row_++;
    if (list_of(row) == list_) reply_.writer().bin(rows_.bytes(row, Columns::certificate));
    if (reply_.is_time_to_yield()) return true;
  }
  return false;
}

}  // namespace parsec::protocol::commands
