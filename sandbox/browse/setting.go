package browse

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/mask"
)

// Settings are the server's settings that are not its defaults, by name. Those that only a superuser may see, which are
// paths, are left out.
func (b *Browser) Settings(ctx context.Context) ([]sandbox.Setting, error) {
	list := []sandbox.Setting{}
	err := b.read(ctx, "postgres", func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT name, current_setting(name), source FROM pg_settings
			WHERE source NOT IN ('default', 'override', 'client', 'session') ORDER BY name`)
		if err != nil {
			return err
		}
		var s sandbox.Setting
		_, err = pgx.ForEachRow(rows, []any{&s.Name, &s.Value, &s.From}, func() error {
			if s.Value = mask.Text(s.Value); mask.Secret(s.Name) && s.Value != "" {
				s.Value = mask.Shown
			}
			list = append(list, s)
			return nil
		})
		return err
	})
	return list, err
}
