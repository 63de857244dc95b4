package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/sandbox/port"
	"github.com/cordage-sandbox/cordage/sandbox/probe"
	"github.com/cordage-sandbox/cordage/sandbox/serverconf"
)

const (
	archiveName     = "kafka.jsa"
	trainingLimit   = 60 * time.Second
	trainingStop    = 60 * time.Second // the JVM writes the archive at its end
	trainingNode    = "kafka-training"
	archiveBuildKey = "3" // goes up when the training changes
)

// KafkaArchive returns the JVM's class data archive for Kafka from the cache, making it if there is none for this Java
// and these jars: Kafka is started once on empty storage and the JVM writes what it loaded. It saves about a third of
// every later start, and is only that: where the JVM cannot make one the result is "" and no error.
func KafkaArchive(ctx context.Context, cache *artefact.Cache) (string, error) {
	java, err := artefact.FindJava(ctx)
	if err != nil {
		return "", err
	}
	jars, err := cache.Kafka(ctx)
	if err != nil {
		return "", err
	}
	key := sha256.Sum256([]byte(strings.Join(append(serverconf.JVMFlags(), java.Path, java.Version, jars.ClassPath(), archiveBuildKey), "\n")))
	name := filepath.Join("archive", "kafka-"+jars.Version+"-"+hex.EncodeToString(key[:8]))
	dir, err := cache.Build(ctx, name, "the class archive for Kafka's JVM", func(ctx context.Context, dir string) error {
		err := train(ctx, java, jars, dir)
		if err != nil && ctx.Err() == nil {
			// Kept beside: the next start must not try, and fail, again.
			return os.WriteFile(filepath.Join(dir, "failed.txt"), []byte(err.Error()+"\n"), 0o644) //nolint:gosec // no secret
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if archive := filepath.Join(dir, archiveName); exists(archive) {
		return archive, nil
	}
	return "", nil
}

func train(ctx context.Context, java artefact.Java, jars artefact.Kafka, dir string) error {
	work, err := os.MkdirTemp(dir, "training-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	broker, err := port.Hold(0)
	if err != nil {
		return err
	}
	defer broker.Close()
	controller, err := port.Hold(0)
	if err != nil {
		return err
	}
	defer controller.Close()
	k := Kafka{
		Node: trainingNode, Owner: work, Dir: work, Port: broker.Number(),
		Voters: []Voter{{ID: 1, Port: controller.Number()}}, Log: filepath.Join(work, "log"),
	}
	if err := broker.HandOver(); err != nil {
		return err
	}
	if err := controller.HandOver(); err != nil {
		return err
	}
	child, err := k.start(java, jars, "-XX:ArchiveClassesAtExit="+filepath.Join(dir, archiveName))
	if err != nil {
		return err
	}
	defer child.Kill() //nolint:errcheck // it has ended unless something failed
	err = probe.Wait(ctx, probe.Kafka{Port: k.Port}, trainingLimit, probe.Watched{Done: child.Done(), Why: child.Err})
	if err != nil {
		return err
	}
	exercising, cancel := context.WithTimeout(ctx, trainingLimit)
	defer cancel()
	if err := exercise(exercising, k.Port); err != nil {
		return fmt.Errorf("exercise Kafka: %w", err)
	}
	stopping, cancel := context.WithTimeout(ctx, trainingStop)
	defer cancel()
	if err := child.Stop(stopping); err != nil {
		return err
	}
	if !exists(filepath.Join(dir, archiveName)) {
		return fmt.Errorf("the JVM wrote no class archive: %w", child.Err())
	}
	return nil
}
