package artefact

import "syscall"

// endWithParent has the kernel end a child when the thread that started it ends.
func endWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGTERM }
