package packaging

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"

	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
)

// ReadCPB verifies a CPB and its CPKs, as [ReadCPI] does those inside a CPI. Close it when its CPKs are no longer read.
func ReadCPB(ctx context.Context, r io.ReaderAt, size int64, opts VerifyOptions) (*CPB, error) {
	rd := newReading(opts)
	c, err := rd.wholeCPB(ctx, Source{R: r, Size: size})
	if err != nil {
		_ = rd.spool.close() // its file has no name any more; the fault matters more
		return nil, fault.At(opts.Name, err)
	}
	return c, nil
}

func (r *reading) wholeCPB(ctx context.Context, s Source) (*CPB, error) {
	b, err := blobOf(ctx, s)
	if err != nil {
		return nil, err
	}
	c, err := r.readCPB(ctx, b)
	if err != nil {
		return nil, err
	}
	c.spool = r.spool
	return c, c.describe()
}

// Close gives back what keeps the CPKs of a CPB that [ReadCPB] made.
func (c *CPB) Close() error {
	if c.spool == nil {
		return nil // part of a CPI
	}
	return c.spool.close()
}

// ReadCPK verifies one CPK; its dependencies are not resolved. Its bytes are those of r.
func ReadCPK(ctx context.Context, r io.ReaderAt, size int64, opts VerifyOptions) (*CPK, error) {
	rd := newReading(opts)
	defer rd.spool.close() //nolint:errcheck // its file has no name any more
	b, err := blobOf(ctx, Source{R: r, Size: size})
	if err != nil {
		return nil, err
	}
	c, err := rd.readCPK(ctx, opts.Name, b)
	if err != nil {
		return nil, err
	}
	if err := c.describe(); err != nil {
		return nil, err
	}
	if c.ExternalChannels != nil {
		if err := checkChannels(c.ExternalChannels); err != nil {
			return nil, fault.At(opts.Name, err)
		}
	}
	return c, nil
}

// blobOf takes a whole file.
func blobOf(ctx context.Context, s Source) (*blob, error) {
	b := &blob{r: s.R, size: s.Size}
	h := sha256.New()
	if err := readThrough(ctx, h, io.NewSectionReader(s.R, 0, s.Size)); err != nil {
		return nil, err
	}
	h.Sum(b.sum[:0])
	return b, nil
}

// readThrough copies r to w until the work is called off.
func readThrough(ctx context.Context, w io.Writer, r io.Reader) error {
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf)
		if _, werr := w.Write(buf[:n]); werr != nil {
			return werr
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
