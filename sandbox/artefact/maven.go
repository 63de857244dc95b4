package artefact

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// mavenRun is one call of mvn that copies the jars of a set into a directory.
type mavenRun struct {
	set      set
	dir      string // where pom.xml is written
	out      string // where the jars go
	local    string // another local repository than the user's; "" for the user's
	progress func(Event)
}

const mavenAdvice = "install Maven 3.6.3 or later (Debian, Ubuntu: apt-get install maven; macOS: brew install maven); or, where a container engine runs: cordage up --runtime container"

// do runs mvn to its end. mvn ends with this process, however that ends.
func (r mavenRun) do(ctx context.Context) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // mvn is told of the end of the thread that started it
		defer runtime.UnlockOSThread()
		done <- r.run(ctx)
	}()
	return <-done
}

func (r mavenRun) run(ctx context.Context) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return &MissingToolError{Tool: "mvn", Reason: "Maven is not on the PATH; it is needed once, to fetch " + r.set.String(), Advice: mavenAdvice}
	}
	pom := filepath.Join(r.dir, "pom.xml")
	if err := r.writePOM(pom); err != nil {
		return err
	}
	args := []string{
		"--batch-mode", "--file", pom, "dependency:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory=" + r.out,
	}
	if r.local != "" {
		args = append(args, "-Dmaven.repo.local="+r.local)
	}
	cmd := exec.CommandContext(ctx, mvn, args...)
	cmd.Dir = r.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // mvn is a script that starts a JVM: end both
	endWithParent(cmd.SysProcAttr)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second

	output, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	r.progress(Event{Set: r.set.String(), Step: Resolving, What: "Maven"})
	if err := cmd.Start(); err != nil {
		return &MissingToolError{Tool: "mvn", Reason: fmt.Sprintf("cannot start %s: %v", mvn, err), Advice: mavenAdvice}
	}
	watch := mavenOutput{run: r, total: r.set.bytes()}
	watch.read(output)
	return r.result(ctx, cmd, watch.errors)
}

func (r mavenRun) result(ctx context.Context, cmd *exec.Cmd, lines []string) error {
	err := cmd.Wait()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("fetch %s by Maven: %w", r.set, context.Cause(ctx))
	}
	for _, l := range lines {
		if strings.Contains(l, "No space left on device") || strings.Contains(l, "Disk quota exceeded") {
			return &DiskFullError{Path: r.dir, Err: err}
		}
	}
	exit := -1
	if ee, ok := errors.AsType[*exec.ExitError](err); ok {
		exit = ee.ExitCode()
	}
	return &FetchError{Set: r.set.String(), Command: "mvn " + strings.Join(cmd.Args[1:], " "), Exit: exit, Lines: lines}
}

// writePOM writes what is asked of Maven. It is put together without text/template, whose use keeps every method of every
// type in the executable: it would be a quarter larger.
func (r mavenRun) writePOM(path string) error {
	text, err := pins.ReadFile("pin/pom.xml")
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, c := range r.set.coords { // constants of this program, which need no quoting
		fmt.Fprintf(&b, "\n    <dependency>\n      <groupId>%s</groupId>\n      <artifactId>%s</artifactId>\n      <version>%s</version>\n", c.Group, c.Artifact, c.Version)
		if !r.set.transitive {
			b.WriteString("      <exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>\n")
		}
		b.WriteString("    </dependency>")
	}
	pom := strings.NewReplacer("@name@", r.set.name, "@dependencies@", b.String()).Replace(string(text))
	return os.WriteFile(path, []byte(pom), 0o600)
}

// downloaded matches what mvn prints in batch mode when it has brought a file from a repository.
var downloaded = regexp.MustCompile(`^(?:\[INFO\] )?Downloaded from [^:]+: \S*/([^/\s]+\.jar)\b`)

const keptErrorLines = 8

// mavenOutput turns what mvn prints into progress, and keeps its first error lines: they hold the cause, the later
// ones advice about mvn's own flags.
type mavenOutput struct {
	run    mavenRun
	done   int64
	total  int64
	errors []string
}

func (o *mavenOutput) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		o.line(lines.Text())
	}
	_, _ = io.Copy(io.Discard, r) // a line beyond the limit: let mvn go on
}

func (o *mavenOutput) line(line string) {
	if m := downloaded.FindStringSubmatch(line); m != nil {
		for _, s := range o.run.set.sums {
			if s.name == m[1] {
				o.done += s.size
				o.run.progress(Event{Set: o.run.set.String(), Step: Downloading, What: s.name, Done: o.done, Total: o.total})
			}
		}
		return
	}
	text, isError := strings.CutPrefix(line, "[ERROR] ")
	if (isError || strings.HasPrefix(line, "Error")) && strings.TrimSpace(text) != "" && len(o.errors) < keptErrorLines {
		o.errors = append(o.errors, text)
	}
}
