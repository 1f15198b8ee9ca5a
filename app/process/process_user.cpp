#include "app/process/process_user.h"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>

namespace parsec::app {
namespace {

struct Account {
  uid_t uid;
  gid_t gid;
  std::string home;
};

std::optional<Account> find_account(const std::string& name) {
  const passwd* entry = ::getpwnam(name.c_str());
  if (entry == nullptr) return std::nullopt;
  return Account{entry->pw_uid, entry->pw_gid, entry->pw_dir};
}

std::unexpected<std::string> failure(const std::string& name, const std::string& why) {
  return std::unexpected{"Cannot become the user `" + name + "`: " + why};
}

/// capabilities(7): those that outlive the change of user, by the process's securebits, would be
/// root by another name. Ambient ones are none without permitted ones.
bool holds_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  if (::syscall(SYS_capget, &header, data) != 0) return true;
  return std::ranges::any_of(data, [](const auto& part) {
    return (part.permitted | part.effective | part.inheritable) != 0;
  });
}

bool is_for_good(const Account& account) {
  uid_t real, effective, saved;
  gid_t real_group, effective_group, saved_group;
  if (::getresuid(&real, &effective, &saved) != 0 ||
      ::getresgid(&real_group, &effective_group, &saved_group) != 0) {
    return false;
  }
  if (real != account.uid || effective != account.uid || saved != account.uid) return false;
  if (real_group != account.gid || effective_group != account.gid || saved_group != account.gid) {
    return false;
  }
  return ::setuid(0) != 0 && ::seteuid(0) != 0 && !holds_capabilities();
}

}  // namespace

bool is_root() { return ::geteuid() == 0; }

std::expected<void, std::string> check_user(const std::string& name) {
  const auto account = find_account(name);
  if (!account) return std::unexpected{"there is no user `" + name + "`"};
  if (is_root() || account->uid == ::geteuid()) return {};
  return std::unexpected{"only root may become another user"};
}

std::expected<void, std::string> become_user(const std::string& name) {
  const auto account = find_account(name);
  if (!account) return failure(name, "there is none");
  if (account->uid == ::geteuid()) return {};  // or stays root, which is said elsewhere
  if (::initgroups(name.c_str(), account->gid) != 0 ||
      ::setresgid(account->gid, account->gid, account->gid) != 0 ||
      ::setresuid(account->uid, account->uid, account->uid) != 0) {
    return failure(name, std::strerror(errno));
  }
  // No program that it starts may get rights back from the file system, either (execve(2)).
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (!is_for_good(*account)) return failure(name, "root's rights would not be gone for good");
  // The kernel clears it at this change unless fs.suid_dumpable says otherwise: what root has read
  // (keys) is then not to be had by a core dump, nor by a debugger of that user. In /proc/self only
  // what everybody may read is left, which is all that is read here.
  ::prctl(PR_SET_DUMPABLE, 0);
  // libpq and libcurl look for files there, and fail at those that may not be looked for.
  ::setenv("HOME", account->home.c_str(), 1);
  ::setenv("USER", name.c_str(), 1);
  ::setenv("LOGNAME", name.c_str(), 1);
  return {};
}

}  // namespace parsec::app
