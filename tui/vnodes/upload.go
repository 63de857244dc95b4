package vnodes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// upload is a CPI on its way into the cluster.
type upload struct {
	path    string
	name    string // of the file
	size    int64
	sent    int64
	counted *counted  // by the command that sends; size and sent are what is shown of it
	asked   time.Time // since when the cluster is asked what it does with it
	id      string    // of the upload, when all is sent
	status  string    // what the cluster does with it
	done    string    // checksum, when it is stored
	err     error
	remove  string // directory to remove when it is over
}

// counted is what a command that sends tells while it does.
type counted struct{ size, sent atomic.Int64 }

func (u *upload) over() bool { return u.done != "" || u.err != nil }

func (u *upload) look() { u.size, u.sent = u.counted.size.Load(), u.counted.sent.Load() }

// untrusted tells whether the cluster refused it because of who signed it.
func (u *upload) untrusted() bool {
	return u.err != nil && strings.Contains(u.err.Error(), "certificate import")
}

// Limits of an upload.
const (
	sendLimit   = 15 * time.Minute
	verifyLimit = 5 * time.Minute
	unseenLimit = 5 * time.Second // a REST worker may not know a new upload yet
)

type (
	uploadTickMsg struct{ u *upload }
	uploadedMsg   struct { // all is sent
		at  time.Time
		u   *upload
		id  string
		err error
	}
	storedMsg struct { // how far the cluster is
		at     time.Time
		u      *upload
		status client.CPIStatus
		err    error
	}
	importedMsg struct {
		alias string
		err   error
	}
	demoMsg struct {
		dir, file string
		err       error
	}
)

// send begins to upload a file; remove is a directory that goes when it is over.
func (v *View) send(path, remove string) tea.Cmd {
	u := &upload{path: path, name: filepath.Base(path), counted: &counted{}, remove: remove}
	v.upload = u
	dial := v.dial
	sending := func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), sendLimit)
		defer cancel()
		rest, err := dial(ctx)
		if err != nil {
			return uploadedMsg{u: u, err: err}
		}
		if info, err := os.Stat(path); err == nil {
			u.counted.size.Store(info.Size())
		}
		id, err := rest.UploadCPI(ctx, path, u.counted.sent.Store)
		return uploadedMsg{time.Now(), u, id, err}
	}
	return tea.Batch(sending, tickUpload(u))
}

func tickUpload(u *upload) tea.Cmd {
	return tea.Tick(100*time.Millisecond, func(time.Time) tea.Msg { return uploadTickMsg{u} })
}

// uploading takes what becomes of an upload.
func (v *View) uploading(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case uploadTickMsg:
		msg.u.look()
		if msg.u.id == "" && !msg.u.over() {
			return tickUpload(msg.u)
		}
	case uploadedMsg:
		msg.u.look()
		msg.u.id, msg.u.asked = msg.id, msg.at
		if msg.err != nil {
			return v.endUpload(msg.u, msg.err)
		}
		return v.askStored(msg.u, 0)
	case storedMsg:
		return v.stored(msg)
	}
	return nil
}

func (v *View) askStored(u *upload, after time.Duration) tea.Cmd {
	dial := v.dial
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), readLimit)
		defer cancel()
		<-time.After(after)
		rest, err := dial(ctx)
		if err != nil {
			return storedMsg{at: time.Now(), u: u, err: err}
		}
		status, err := rest.CPIStatus(ctx, u.id)
		return storedMsg{time.Now(), u, status, err}
	}
}

func (v *View) stored(m storedMsg) tea.Cmd {
	u := m.u
	switch refused, is := errors.AsType[*client.RefusedError](m.err); {
	case m.err == nil && m.status.Status == "OK":
		u.done = m.status.Checksum
		return v.endUpload(u, nil)
	case m.err == nil:
		u.status = m.status.Status
	case is && refused.Status < 500 && (len(refused.Details) > 0 || refused.Status != 400 || m.at.Sub(u.asked) > unseenLimit):
		return v.endUpload(u, m.err)
	}
	if m.at.Sub(u.asked) > verifyLimit {
		return v.endUpload(u, errors.Join(fmt.Errorf("the cluster did not store it within %v", verifyLimit), m.err))
	}
	return v.askStored(u, statusEvery)
}

func (v *View) endUpload(u *upload, err error) tea.Cmd {
	u.err = err
	var clean tea.Cmd
	if dir := u.remove; dir != "" {
		clean = func() tea.Msg {
			_ = os.RemoveAll(dir) // it is in the user's own directory for temporary files
			return nil
		}
	}
	if err != nil {
		if d, ok := v.dialog.(*fileForm); ok && d.upload == u {
			return clean // the dialog shows it
		}
		return tea.Batch(clean, screen.Fail("upload "+u.name, err))
	}
	return tea.Batch(clean, v.load(), screen.Tell(screen.Done("CPI "+u.name+" is stored, checksum "+u.done)))
}

// makeDemo builds, trusts and uploads a small CPI.
func (v *View) makeDemo() tea.Cmd {
	if v.building || v.upload != nil && !v.upload.over() {
		return screen.Fail("make a demo CPI", errors.New("an upload is under way"))
	}
	v.building = true
	build, dial := v.demo, v.dial
	name := fmt.Sprintf("demo-%s", time.Now().Format("150405"))
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		dir, err := tempDir()
		if err != nil {
			return demoMsg{err: err}
		}
		file, err := func() (string, error) {
			file, certificate, err := build(ctx, dir, name)
			if err != nil {
				return "", err
			}
			rest, err := dial(ctx)
			if err != nil {
				return "", err
			}
			named := filepath.Join(dir, name+".cpi")
			if err := os.Rename(file, named); err != nil {
				return "", err
			}
			return named, rest.ImportCertificate(ctx, usageCodeSigner, name, certificate)
		}()
		if err != nil {
			_ = os.RemoveAll(dir)
		}
		return demoMsg{dir, file, err}
	}
}

func (v *View) demoMade(m demoMsg) tea.Cmd {
	v.building = false
	if m.err != nil {
		return screen.Fail("make a demo CPI", m.err)
	}
	return v.send(m.file, m.dir)
}

// usageCodeSigner is Corda's name of the usage.
const usageCodeSigner = "code-signer"

func (v *View) importCertificate(alias, path string) tea.Cmd {
	dial := v.dial
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), readLimit)
		defer cancel()
		rest, err := dial(ctx)
		if err == nil {
			err = rest.ImportCertificate(ctx, usageCodeSigner, alias, path)
		}
		return importedMsg{alias, err}
	}
}

func (v *View) imported(m importedMsg) tea.Cmd {
	if m.err != nil {
		return screen.Fail("import certificate "+m.alias, m.err)
	}
	return screen.Tell(screen.Done("who signs with certificate " + m.alias + " is trusted now"))
}

// aliasOf makes an alias from the name of a file.
func aliasOf(path string) string {
	name := filepath.Base(path)
	return strings.TrimSuffix(name, filepath.Ext(name))
}
