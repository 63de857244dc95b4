package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/scenarios/attach"
	"github.com/cordage-sandbox/cordage/scenarios/builtin"
	"github.com/cordage-sandbox/cordage/scenarios/lang"
	"github.com/cordage-sandbox/cordage/scenarios/report"
	"github.com/cordage-sandbox/cordage/scenarios/run"
)

func (a *app) newScenarioCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "scenario",
		Short:   "Run scenarios: files of steps and of what must come of them",
		Example: "  cordage scenario list\n  cordage scenario run vnode-creation",
	}
	cmd.AddCommand(a.newScenarioListCmd(), a.newScenarioShowCmd(), a.newScenarioSchemaCmd(), a.newScenarioRunCmd())
	return cmd
}

func (a *app) newScenarioListCmd() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the scenarios that ship", Example: "  cordage scenario list --json", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			type row struct {
				Name        string `json:"name"`
				Description string `json:"description"`
			}
			var rows []row
			for _, name := range builtin.Names() {
				s, err := readBuiltin(name)
				if err != nil {
					return err
				}
				rows = append(rows, row{s.Name, s.Description})
			}
			return a.answer(rows, func(w io.Writer) error {
				for i, r := range rows {
					if i > 0 {
						fmt.Fprintln(w)
					}
					fmt.Fprintf(w, "%s\n%s\n", r.Name, wrap(r.Description, "  ", 100))
				}
				return nil
			})
		},
	}
}

// wrap breaks text into lines of at most width characters, each after a margin.
func wrap(text, margin string, width int) string {
	var lines []string
	line := margin
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > width && line != margin {
			lines = append(lines, line)
			line = margin
		}
		if line != margin {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n")
}

func (a *app) newScenarioShowCmd() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Print a scenario that ships, to start your own from",
		Example: "  cordage scenario show vnode-creation > mine.yaml", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			_, text, err := builtin.Read(args[0])
			if err != nil {
				return unknownScenario(args[0])
			}
			_, err = a.out.Write(text)
			return err
		},
	}
}

func (a *app) newScenarioSchemaCmd() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of scenario files, for editors",
		Example: "  cordage scenario schema > scenario.schema.json", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.out.Write(lang.Schema)
			return err
		},
	}
}

// scenarioFlags are what "cordage scenario run" is told.
type scenarioFlags struct {
	junit string
	keep  bool
}

func (a *app) newScenarioRunCmd() *cobra.Command {
	var f scenarioFlags
	var w wishFlags
	cmd := &cobra.Command{
		Use:   "run all | NAME | FILE | DIRECTORY ...",
		Short: "Run scenarios in the running sandbox, or in one of their own that is removed afterwards",
		Long: `Run scenarios: those that ship by name (all: every one), others by their file or directory. All files are checked before
anything starts. If the sandbox does not run, or has not the Kafka brokers that a scenario needs, one is started for the
scenarios alone, as the sandbox file and the flags have it, and removed afterwards.`,
		Example: `  cordage scenario run vnode-creation
  cordage scenario run notary-uniqueness --junit report.xml
  cordage scenario run all
  cordage scenario run kafka-broker-loss --runtime container
  cordage scenario run mine.yaml more/ --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			scenarios, err := readScenarios(args)
			if err != nil {
				return err
			}
			if err := checkJUnit(f.junit); err != nil {
				return err
			}
			asked, err := w.wish()
			if err != nil {
				return &usageError{err}
			}
			return a.runScenarios(cmd.Context(), scenarios, asked, f)
		},
	}
	cmd.Flags().StringVar(&f.junit, "junit", "", "write a JUnit report to this `file`")
	w.registerRuntime(cmd.Flags())
	cmd.Flags().BoolVar(&f.keep, "keep", false, "leave a sandbox that was started for the scenarios running if one fails")
	return cmd
}

func unknownScenario(name string) error {
	return &unknownError{
		fmt.Sprintf("scenario %q: it is neither one that ships nor a file or directory", name),
		"cordage scenario list tells which ship: " + strings.Join(builtin.Names(), ", "),
	}
}

func readBuiltin(name string) (*lang.Scenario, error) {
	file, text, err := builtin.Read(name)
	if err != nil {
		return nil, unknownScenario(name)
	}
	return lang.Parse(file, text)
}

// readScenarios reads what the arguments mean. Faults of all files are listed together.
func readScenarios(args []string) ([]*lang.Scenario, error) {
	var scenarios []*lang.Scenario
	var faults lang.Faults
	add := func(s *lang.Scenario, err error) error {
		if more, ok := errors.AsType[lang.Faults](err); ok {
			faults = append(faults, more...)
			return nil
		}
		if err == nil {
			scenarios = append(scenarios, s)
		}
		return err
	}
	for _, arg := range args {
		names := []string{arg}
		if arg == "all" {
			names = builtin.Names()
		}
		for _, name := range names {
			if slices.Contains(builtin.Names(), name) {
				if err := add(readBuiltin(name)); err != nil {
					return nil, err
				}
				continue
			}
			if err := readPath(name, add); err != nil {
				return nil, err
			}
		}
	}
	if len(faults) > 0 {
		return nil, &usageError{faults}
	}
	if len(scenarios) == 0 {
		return nil, &usageError{fmt.Errorf("%s: no scenario files (*.yaml) there", strings.Join(args, ", "))}
	}
	return scenarios, nil
}

// maxScenario bounds a scenario file, in bytes; the language has a smaller bound of its own, which it names.
const maxScenario = 4 << 20

func readPath(path string, add func(*lang.Scenario, error) error) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return unknownScenario(path)
	}
	if err != nil {
		return &usageError{err}
	}
	files := []string{path}
	if info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(path, "*.yaml")); err != nil {
			return err
		}
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return &usageError{err}
		}
		text, err := io.ReadAll(io.LimitReader(f, maxScenario))
		f.Close()
		if err != nil {
			return fmt.Errorf("read scenario %s: %w", file, err)
		}
		if err := add(lang.Parse(file, text)); err != nil {
			return err
		}
	}
	return nil
}

// checkJUnit finds a mistyped folder of the report before minutes are spent on what would stand in it.
func checkJUnit(file string) error {
	if file == "" {
		return nil
	}
	info, err := os.Stat(filepath.Dir(file))
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no directory", filepath.Dir(file))
	}
	if err != nil {
		return &usageError{fmt.Errorf("the JUnit report cannot be written: %w", err)}
	}
	return nil
}

// runScenarios runs scenarios in the sandbox that runs, and starts others for those that it does not fit.
func (a *app) runScenarios(ctx context.Context, scenarios []*lang.Scenario, asked sandbox.Wish, f scenarioFlags) error {
	// A reader of the answer that goes away, as in "| head", must not end this process before it has put back what
	// scenarios changed, or removed their sandbox: while the signal is received here, writing fails in its place.
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	defer signal.Stop(pipe)
	wish, err := a.wish(asked)
	if err != nil {
		return err
	}
	results, err := a.runEach(ctx, scenarios, wish, f)
	if err := errors.Join(err, writeJUnit(f.junit, results)); err != nil {
		return err
	}
	return a.conclude(results)
}

// runEach runs scenarios, those in the running sandbox first. What ends it is an error; a scenario that fails is not.
func (a *app) runEach(ctx context.Context, scenarios []*lang.Scenario, wish sandbox.Wish, f scenarioFlags) ([]*run.Result, error) {
	c, err := a.connect(ctx)
	_, none := errors.AsType[*sandbox.NotRunningError](err)
	switch {
	case none:
		a.note("no sandbox %s runs; the scenarios get one of their own", a.name)
	case err != nil:
		return nil, err
	default:
		defer c.Close()
	}
	var results []*run.Result
	if !none {
		info, err := c.Sandbox(ctx)
		if err != nil {
			return nil, err
		}
		here, elsewhere := split(scenarios, max(1, info.Spec.Brokers))
		for _, s := range elsewhere {
			a.note("scenario %s needs a sandbox of %d Kafka brokers, and gets one of its own", s.Name, s.Brokers)
		}
		if results, err = a.runAttached(ctx, c, here); err != nil {
			return results, err
		}
		scenarios = elsewhere
	}
	for _, brokers := range []int{1, sandbox.Replication} {
		var group []*lang.Scenario
		if group, scenarios = split(scenarios, brokers); len(group) == 0 {
			continue
		}
		wish.Brokers = brokers
		more, err := a.inOwnSandbox(ctx, group, wish, f)
		if results = append(results, more...); err != nil {
			return results, err
		}
	}
	return results, nil
}

// split separates the scenarios that a sandbox of so many brokers fits from the others.
func split(scenarios []*lang.Scenario, brokers int) (fit, others []*lang.Scenario) {
	for _, s := range scenarios {
		if s.Brokers == 0 || s.Brokers == brokers {
			fit = append(fit, s)
		} else {
			others = append(others, s)
		}
	}
	return fit, others
}

// inOwnSandbox starts a sandbox, runs the scenarios there, and removes it, however they end. Ports stay open: those of the
// wish may be another sandbox's.
func (a *app) inOwnSandbox(ctx context.Context, scenarios []*lang.Scenario, wish sandbox.Wish, f scenarioFlags) (results []*run.Result, err error) {
	own := *a
	own.name, own.named = fmt.Sprintf("scenario-%d-%d", os.Getpid(), wish.Brokers), true
	own.out, own.json = a.err, false // its messages are not the answer
	wish.Ports, wish.Replicas = nil, maps.Clone(wish.Replicas)
	for _, s := range scenarios {
		for role, n := range s.Replicas {
			if wish.Replicas == nil {
				wish.Replicas = map[string]int{}
			}
			wish.Replicas[role] = max(n, wish.Replicas[role])
		}
	}
	if err := own.up(ctx, wish, false); err != nil {
		return nil, errors.Join(err, own.remove(ctx))
	}
	defer func() {
		if f.keep && (err != nil || failures(results) > 0) {
			a.note("sandbox %s is kept; remove it with: cordage down --purge --name %[1]s", own.name)
			return
		}
		err = errors.Join(err, own.remove(ctx))
	}()
	c, err := own.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return a.runAttached(ctx, c, scenarios)
}

// remove takes a sandbox down for good, also when ctx has ended.
func (a *app) remove(ctx context.Context) error {
	return a.down(context.WithoutCancel(ctx), true)
}

// detachLimit bounds what is put back after scenarios.
const detachLimit = time.Minute

func (a *app) runAttached(ctx context.Context, c *client.Client, scenarios []*lang.Scenario) (results []*run.Result, err error) {
	dir, err := os.MkdirTemp("", "cordage-scenario-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // it is in the user's own directory for temporary files
	live := a.newStepLine()
	for _, s := range scenarios {
		result, err := a.runOne(ctx, c, s, dir, live)
		if result != nil {
			results = append(results, result)
			if !a.json {
				err = errors.Join(err, report.Tree(a.out, result))
			}
		}
		if err != nil {
			return results, err
		}
	}
	return results, nil
}

func (a *app) runOne(ctx context.Context, c *client.Client, s *lang.Scenario, dir string, live *stepLine) (_ *run.Result, err error) {
	cluster, err := attach.Open(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("run scenario %s: %w", s.Name, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), detachLimit)
		defer cancel()
		err = errors.Join(err, cluster.Close(ctx))
	}()
	r := &run.Runner{Cluster: cluster, Dir: dir, Now: time.Now, Watch: live.show}
	defer live.clear()
	return r.Run(ctx, s)
}

func (a *app) conclude(results []*run.Result) error {
	if err := a.answer(results, func(w io.Writer) error { return report.Summary(w, results) }); err != nil {
		return err
	}
	if failed := failures(results); failed > 0 {
		return &checksError{fmt.Sprintf("%d of %d scenarios failed", failed, len(results))}
	}
	return nil
}

func failures(results []*run.Result) (failed int) {
	for _, r := range results {
		if r.Status != run.Passed {
			failed++
		}
	}
	return failed
}

func writeJUnit(path string, results []*run.Result) (err error) {
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write the JUnit report: %w", err)
	}
	return errors.Join(report.JUnit(f, results), f.Close())
}

// stepLine shows on a terminal which step is being done.
type stepLine struct {
	w     io.Writer
	width int // 0: not a terminal
}

func (a *app) newStepLine() *stepLine {
	l := &stepLine{w: a.err}
	if width, ok := isTerminal(a.err); ok {
		l.width = width
	}
	return l
}

func (l *stepLine) show(r *run.Result) {
	if l.width == 0 || r.Status != "" {
		return
	}
	text := []rune("… " + r.Name)
	if len(text) >= l.width {
		text = text[:l.width-1]
	}
	fmt.Fprintf(l.w, "\r\x1b[K%s", string(text))
}

func (l *stepLine) clear() {
	if l.width > 0 {
		fmt.Fprint(l.w, "\r\x1b[K")
	}
}
