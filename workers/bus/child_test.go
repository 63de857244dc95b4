package bus_test

// childRole is the environment variable that makes the test binary a worker that a test can kill.
const childRole = "BUS_TEST_CHILD"

func runChild(string) int { return 2 }
