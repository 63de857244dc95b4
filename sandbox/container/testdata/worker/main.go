// Command worker is what the workers' image holds in tests of the runtime.
package main

import (
	"fmt"
	"os"

	"github.com/cordage-sandbox/cordage/sandbox/container/handover"
	"github.com/cordage-sandbox/cordage/sandbox/runtimetest"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "receive" {
		if err := handover.Main(os.Args[2:], os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(runtimetest.Worker(os.Args[1:], os.Stdout))
}
