package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// Account is the user a server runs as. The zero value is the user this process runs as.
type Account struct {
	Name     string
	UID, GID uint32
}

func (a Account) credential() *syscall.Credential {
	if a == (Account{}) {
		return nil
	}
	return &syscall.Credential{Uid: a.UID, Gid: a.GID}
}

func (a Account) String() string {
	if a == (Account{}) {
		return "user " + strconv.Itoa(os.Geteuid())
	}
	return a.Name
}

func (a Account) uid() int {
	if a == (Account{}) {
		return os.Geteuid()
	}
	return int(a.UID)
}

// own makes the account the owner of a file, where it is not the present user anyway.
func (a Account) own(path string) error {
	if a == (Account{}) {
		return nil
	}
	return os.Lchown(path, int(a.UID), int(a.GID))
}

// serverAccount is the account for PostgreSQL, which refuses to run as root, rightly: the present user or, for root, the
// system's account for it, or else the one that owns nothing.
func serverAccount() (Account, error) {
	if os.Geteuid() != 0 {
		return Account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 != nil || err2 != nil || uid == 0 {
			continue
		}
		return Account{Name: name, UID: uint32(uid), GID: uint32(gid)}, nil
	}
	return Account{}, errors.New("choose an account for PostgreSQL, which cannot run as root: there is neither postgres nor nobody on this system")
}

// reach returns an *UnreachableError if a directory above path may not be passed by the account. It looks at the
// permission bits of owner and others only.
func (a Account) reach(path string) error {
	if a == (Account{}) {
		return nil
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // will be made, open
		} else if err != nil {
			return fmt.Errorf("look at %s: %w", dir, err)
		}
		need := fs.FileMode(0o001)
		if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid == a.UID {
			need = 0o100
		} else if ok && s.Gid == a.GID {
			need = 0o010
		}
		if info.Mode()&need == 0 {
			return &UnreachableError{Account: a.Name, Path: path, Closed: dir}
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}
