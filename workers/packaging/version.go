package packaging

import (
	"cmp"
	"strings"
	"unicode"
)

// CompareVersions orders versions of packages: -1, 0 or 1. A version is [epoch:]version[-release]; its parts are
// compared run by run of digits and letters: numbers by value, letters by code, numbers above letters; a release
// counts only if both have one. Letters directly behind an equal start make a version
// older: 1.0a is before 1.0, and 1.0.a after it.
//
// Source: Corda 5.0, VersionComparator (after RPM).
func CompareVersions(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == "":
		return -1
	case b == "":
		return 1
	}
	x, y := splitVersion(a), splitVersion(b)
	if c := compareRuns(x.epoch, y.epoch); c != 0 {
		return c
	}
	if c := compareRuns(x.version, y.version); c != 0 {
		return c
	}
	if x.hasRelease && y.hasRelease {
		return compareRuns(x.release, y.release)
	}
	return 0
}

type versionParts struct {
	epoch, version, release string
	hasRelease              bool
}

func splitVersion(s string) versionParts {
	p := versionParts{epoch: "0", version: s}
	if i := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsDigit(r) }); i >= 0 && s[i] == ':' {
		p.version = s[i+1:]
		if i > 0 {
			p.epoch = s[:i]
		}
	}
	p.version, p.release, p.hasRelease = strings.Cut(p.version, "-")
	return p
}

// compareRuns compares two parts run by run.
func compareRuns(a, b string) int {
	if a == b {
		return 0
	}
	separator := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	for a != "" && b != "" {
		x, y := strings.TrimLeftFunc(a, separator), strings.TrimLeftFunc(b, separator)
		gapA, gapB := len(a)-len(x), len(b)-len(y)
		a, b = x, y
		if a == "" || b == "" {
			break
		}
		if gapA != gapB {
			return cmp.Compare(gapA, gapB)
		}
		kind := unicode.IsLetter
		numeric := unicode.IsDigit(firstRune(a))
		if numeric {
			kind = unicode.IsDigit
		}
		restA, restB := strings.TrimLeftFunc(a, kind), strings.TrimLeftFunc(b, kind)
		runA, runB := a[:len(a)-len(restA)], b[:len(b)-len(restB)]
		if runB == "" { // the other side has a run of the other kind here
			if numeric {
				return 1
			}
			return -1
		}
		if c := compareRun(runA, runB, numeric); c != 0 {
			return c
		}
		a, b = restA, restB
	}
	switch {
	case a == "" && b == "":
		return 0
	case a == "" && !unicode.IsLetter(firstRune(b)), a != "" && unicode.IsLetter(firstRune(a)):
		return -1
	default:
		return 1
	}
}

func compareRun(a, b string, numeric bool) int {
	if numeric {
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		if len(a) != len(b) {
			return cmp.Compare(len(a), len(b))
		}
	}
	return strings.Compare(a, b)
}

func firstRune(s string) rune {
	for _, r := range s {
		return r
	}
	return 0
}
