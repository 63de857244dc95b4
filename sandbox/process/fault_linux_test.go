package process

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a file system of that size, or skips the test.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := openTempDir(t)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size+",mode=0755"); err != nil {
		t.Skipf("this root cannot mount: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func wantFull(t *testing.T, err error) {
	t.Helper()
	full, ok := errors.AsType[*DiskFullError](err)
	if !ok || !strings.Contains(err.Error(), "no space left on the disk") || full.Hint() == "" {
		t.Errorf("error is %v (%T); want a *DiskFullError", err, err)
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		p := testPostgreSQL(t, smallDisk(t, "20m"))
		_, err := p.Start(t.Context(), testCache(t))
		wantFull(t, err)
		if exists(p.Data) || exists(p.Data+".new") {
			t.Error("half a data directory is left")
		}
	})
	t.Run("Kafka", func(t *testing.T) {
		t.Parallel()
		dir := smallDisk(t, "40k")
		fill(t, dir)
		k := Kafka{Node: "kafka-1", Dir: filepath.Join(dir, "kafka"), Owner: dir, Port: 1, Voters: []Voter{{1, 2}}, Log: filepath.Join(dir, "log")}
		_, err := k.Start(t.Context(), testCache(t))
		wantFull(t, err)
	})
}

// fill writes until nothing more goes in.
func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// TestOrdinaryUser runs the suite of the runtime, as far as it needs no JVM, as an account that has no rights and a cache of its own. As an
// ordinary user TestRuntime itself does that.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("this is an ordinary user: TestRuntime shows it")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("there is no account nobody")
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	dir := openTempDir(t)
	program := ownCopies(t, dir, uid, gid)
	cmd := exec.CommandContext(t.Context(), program, //nolint:gosec // this test
		"-test.v", "-test.run", "TestRuntime/(PostgreSQL|Start|Kill|Adopt|Purge|Logs)|TestForeignDataDirectories|TestUnreadable|TestStale")
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_CACHE_HOME=" + dir, "TMPDIR=" + filepath.Join(dir, "tmp")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}} //nolint:gosec // from the system
	out, err := cmd.CombinedOutput()
	text := string(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{"TestRuntime/PostgreSQLKeepsData", "TestRuntime/PostgreSQLKilled", "TestUnreadableDataDirectory", "TestRuntime/Adopt"} {
		if !strings.Contains(text, "--- PASS: "+want) {
			t.Errorf("%s did not pass as nobody:\n%s", want, text)
		}
	}
}

// ownCopies gives an account its own test program and cache with PostgreSQL, and a place for temporary files.
func ownCopies(t *testing.T, dir string, uid, gid int) (program string) {
	t.Helper()
	cache := testCache(t)
	bin, err := cache.PostgreSQL(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rel, err := filepath.Rel(cache.Dir(), bin.Dir)
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, "cordage", rel)
	for _, d := range []string{filepath.Dir(own), filepath.Join(dir, "tmp")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copyKeepingTimes(t, bin.Dir, own)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(dir, "process.test")
	copyOne(t, self, program, 0o755)
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	})
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func copyKeepingTimes(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, path)
		target := filepath.Join(to, rel)
		info, err := e.Info()
		if err != nil {
			return err
		}
		switch {
		case e.IsDir():
			return os.Mkdir(target, 0o755)
		case e.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		}
		copyOne(t, path, target, info.Mode().Perm())
		return os.Chtimes(target, info.ModTime(), info.ModTime())
	})
	if err != nil {
		t.Fatal(err)
	}
}

func copyOne(t *testing.T, from, to string, mode fs.FileMode) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, mode)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestUnreadableDataDirectory is for ordinary users; root reads everything. TestOrdinaryUser runs it for root.
func TestUnreadableDataDirectory(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root reads everything: TestOrdinaryUser runs this")
	}
	p := testPostgreSQL(t, openTempDir(t))
	makeDir(t, p.Data)
	if err := os.Chmod(p.Data, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(p.Data, 0o700) })
	_, err := p.Start(t.Context(), testCache(t))
	if refused, ok := errors.AsType[*DataDirError](err); !ok || refused.Fault != Unreadable || !strings.Contains(refused.Hint(), "run Cordage as the user") {
		t.Errorf("error is %v; want that it %s", err, Unreadable)
	}
}

// TestDataOfAnotherUser is for root: the data were made while another account ran the server.
func TestDataOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("giving files away needs root")
	}
	p := testPostgreSQL(t, openTempDir(t))
	stopServer(t, startServer(t, p))
	if err := os.Chown(p.Data, 4711, 4711); err != nil {
		t.Fatal(err)
	}
	_, err := p.Start(t.Context(), testCache(t))
	if refused, ok := errors.AsType[*DataDirError](err); !ok || refused.Fault != OtherUser || !strings.Contains(err.Error(), "4711") {
		t.Errorf("error is %v; want that it %s", err, OtherUser)
	}
}

// TestNotRoot: as root the server runs as another account, and its files belong to that.
func TestNotRoot(t *testing.T) {
	t.Parallel()
	p := testPostgreSQL(t, openTempDir(t))
	child := startServer(t, p)
	info, err := os.Stat(filepath.Join("/proc", strconv.Itoa(child.PID())))
	if err != nil {
		t.Fatal(err)
	}
	uid := int(info.Sys().(*syscall.Stat_t).Uid) //nolint:forcetypeassert // Linux
	if uid == 0 || (os.Geteuid() != 0 && uid != os.Geteuid()) {
		t.Errorf("PostgreSQL runs as uid %d, Cordage as %d", uid, os.Geteuid())
	}
}
