package process

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/sandbox/serverconf"
)

// Kafka is one node of a Kafka cluster in KRaft mode to run: a broker, and a controller in the same JVM if it is one of
// the voters. It listens on 127.0.0.1 only.
type Kafka struct {
	Node     string
	Dir      string            // of the node: configuration, data, temporary files
	Owner    string            // names the sandbox; the cluster's id is made from it, so that its nodes agree
	ID       int               // node.id; 0 counts as 1
	Port     int               // for clients and brokers
	Voters   []Voter           // all controllers of the cluster
	Brokers  int               // of the cluster; 0 counts as 1
	Log      string            // file
	Env      []string          // markers, added to the server's environment
	Settings map[string]string // server.properties entries over the defaults
	Archive  string            // class data archive of the JVM; "" or not there: none

	DeathSignal syscall.Signal
}

// Voter is a controller of the cluster.
type Voter struct {
	ID   int // node.id
	Port int // on 127.0.0.1
}

func (k Kafka) id() int { return max(1, k.ID) }

// defaults of a sandbox, over Kafka's own.
func (k Kafka) settings() map[string]string {
	voters := make([]string, len(k.Voters))
	roles, listeners := "broker", fmt.Sprintf("BROKER://127.0.0.1:%d", k.Port)
	for i, v := range k.Voters {
		voters[i] = fmt.Sprintf("%d@127.0.0.1:%d", v.ID, v.Port)
		if v.ID == k.id() {
			roles, listeners = "broker,controller", fmt.Sprintf("%s,CONTROLLER://127.0.0.1:%d", listeners, v.Port)
		}
	}
	s := serverconf.Kafka(max(1, k.Brokers))
	maps.Copy(s, map[string]string{
		"process.roles":                  roles,
		"node.id":                        fmt.Sprint(k.id()),
		"controller.quorum.voters":       strings.Join(voters, ","),
		"listeners":                      listeners,
		"advertised.listeners":           fmt.Sprintf("BROKER://127.0.0.1:%d", k.Port),
		"listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"inter.broker.listener.name":     "BROKER",
		"controller.listener.names":      "CONTROLLER",
		"log.dirs":                       dataFolder, // in the working directory: Kafka takes commas in a path for a list
	})
	maps.Copy(s, k.Settings)
	return s
}

func (k Kafka) data() string { return filepath.Join(k.Dir, dataFolder) }
func (k Kafka) temp() string { return filepath.Join(k.Dir, "tmp") }

// Start formats the storage if it is new, writes the configuration and starts the JVM. It returns once the process
// runs.
//
// Errors: *DataDirError, *StartError, *artefact.MissingToolError without Java, and those of the cache.
func (k Kafka) Start(ctx context.Context, cache *artefact.Cache) (*Child, error) {
	java, err := artefact.FindJava(ctx)
	if err != nil {
		return nil, err
	}
	jars, err := cache.Kafka(ctx)
	if err != nil {
		return nil, err
	}
	return k.start(java, jars)
}

func (k Kafka) start(java artefact.Java, jars artefact.Kafka, more ...string) (*Child, error) {
	if err := k.format(); err != nil {
		return nil, err
	}
	if err := k.configure(); err != nil {
		return nil, explainDisk(fmt.Errorf("configure %s: %w", k.Node, err), k.Dir)
	}
	return Launch(Command{
		Node: k.Node, Path: java.Path, Args: append(more, k.args(jars)...), Dir: k.Dir,
		Env: append(append(serverEnv(), jvmLocale), k.Env...), Log: k.Log,
		StopSignal: kafkaStop, DeathSignal: k.DeathSignal,
	})
}

const kafkaStop = syscall.SIGTERM

// jvmLocale has the JVM read names of files as UTF-8. In the plain C locale of other servers it takes them for ASCII, and
// cannot even start in a directory whose name has other letters.
const jvmLocale = "LC_ALL=C.UTF-8"

func (k Kafka) args(jars artefact.Kafka) []string {
	args := serverconf.JVMFlags()
	if k.Archive != "" && exists(k.Archive) {
		args = append(args, "-XX:SharedArchiveFile="+k.Archive, "-Xlog:cds=off", "-Xlog:cds+dynamic=off")
	}
	return append(args,
		"-XX:ErrorFile="+filepath.Join(k.Dir, "jvm-error-%p.log"),
		"-Djava.io.tmpdir="+k.temp(), // where compression libraries unpack themselves
		"-Dlog4j.configuration="+fileURL(filepath.Join(k.Dir, "log4j.properties")),
		"-cp", jars.ClassPath(), "kafka.Kafka", filepath.Join(k.Dir, "server.properties"))
}

// clusterID makes Kafka's form of a cluster id, 16 bytes in URL-safe base64, from the name of the sandbox.
func (k Kafka) clusterID() string {
	sum := sha256.Sum256([]byte("cordage cluster " + k.Owner))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

const dataFolder = "data"

const metaFile = "meta.properties"

// format does what kafka-storage.sh format does, without its JVM: it writes meta.properties. Storage that exists must
// be of this cluster and node.
//
// Source: Kafka 3.2, kafka.server.MetaProperties (version 1).
func (k Kafka) format() error {
	meta := filepath.Join(k.data(), metaFile)
	want := map[string]string{"version": "1", "cluster.id": k.clusterID(), "node.id": fmt.Sprint(k.id())}
	b, err := os.ReadFile(meta)
	switch {
	case err == nil:
		got := parseProperties(b)
		if got["version"] != "1" || got["cluster.id"] == "" {
			return &DataDirError{Dir: k.data(), Fault: OtherVersion, Detail: metaFile + " is not of Kafka 3.2 in KRaft mode"}
		}
		if got["cluster.id"] != want["cluster.id"] || got["node.id"] != want["node.id"] {
			return &DataDirError{Dir: k.data(), Fault: OtherSandbox,
				Detail: fmt.Sprintf("cluster %.40s, node %.10s", got["cluster.id"], got["node.id"])}
		}
		return nil
	case errors.Is(err, syscall.ENOTDIR):
		return &DataDirError{Dir: k.data(), Fault: NotOurs, Detail: "it is a file"}
	case !errors.Is(err, fs.ErrNotExist):
		return &DataDirError{Dir: k.data(), Fault: Unreadable, Err: err}
	}
	entries, err := os.ReadDir(k.data())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &DataDirError{Dir: k.data(), Fault: Unreadable, Err: err}
	}
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() != metaFile+".new" }) {
		return &DataDirError{Dir: k.data(), Fault: NotOurs, Detail: "it is not empty and has no " + metaFile}
	}
	if err := os.MkdirAll(k.data(), 0o700); err != nil {
		return explainDisk(fmt.Errorf("format storage %s: %w", k.data(), err), k.data())
	}
	return explainDisk(writeFile(meta, formatProperties(want)), meta)
}

func (k Kafka) configure() error {
	if err := os.RemoveAll(k.temp()); err != nil {
		return err
	}
	if err := os.Mkdir(k.temp(), 0o700); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(k.Dir, "server.properties"), formatProperties(k.settings())); err != nil {
		return err
	}
	return writeFile(filepath.Join(k.Dir, "log4j.properties"), []byte(serverconf.KafkaLog))
}

// writeFile replaces a file, readable by its owner only.
func writeFile(path string, content []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, content, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
