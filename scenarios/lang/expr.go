package lang

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
	"google.golang.org/protobuf/types/known/structpb"
)

// Expr is a compiled expression of the Common Expression Language.
type Expr struct {
	Pos     Pos
	Text    string
	program cel.Program
}

// Scope is the variables that expressions see. Besides those of the scenario: run, an id that is new for each run
// (8 hex digits), and it, the outcome of the step.
type Scope map[string]any

// costLimit bounds one evaluation, in the units of the expression library.
const costLimit = 1_000_000

// Eval computes the expression: strings, numbers, booleans, nil, []any and map[string]any.
func (e Expr) Eval(scope Scope) (any, error) {
	out, _, err := e.program.Eval(map[string]any(scope))
	if err != nil {
		return nil, fmt.Errorf("%s: ${%s}: %w", e.Pos, e.Text, err)
	}
	x, err := native(out)
	if err != nil {
		return nil, fmt.Errorf("%s: ${%s}: %w", e.Pos, e.Text, err)
	}
	return x, nil
}

// native turns a value of the expression library into plain Go.
func native(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.Int:
		return int64(v), nil
	case types.Uint:
		return uint64(v), nil
	case types.Timestamp:
		return v.Time.UTC().Format("2006-01-02T15:04:05.999Z07:00"), nil
	case types.String, types.Bool, types.Double:
		return v.Value(), nil
	case types.Null:
		return nil, nil
	}
	x, err := v.ConvertToNative(reflect.TypeFor[*structpb.Value]())
	if err != nil {
		return nil, fmt.Errorf("a %s has no JSON form", v.Type().TypeName())
	}
	return x.(*structpb.Value).AsInterface(), nil
}

// compiler compiles expressions that may use the variables known so far.
type compiler struct {
	known map[string]bool

	// Environments are kept, by the names of their variables: to make one takes longer than to compile a hundred
	// expressions.
	environments map[string]*cel.Env
}

// compile compiles an expression; boolean refuses one that can never be true or false.
func (c *compiler) compile(pos Pos, text string, boolean bool) (Expr, error) {
	env, err := c.environment()
	if err != nil {
		return Expr{}, err
	}
	ast, issues := env.Compile(text)
	if err := issues.Err(); err != nil {
		first := issues.Errors()[0]
		return Expr{}, fmt.Errorf("in the expression %q, character %d: %s", text, first.Location.Column()+1, first.Message)
	}
	if kind := ast.OutputType(); boolean && !kind.IsExactType(cel.BoolType) && !kind.IsExactType(cel.DynType) {
		return Expr{}, fmt.Errorf("the expression %q is of type %s; it must be true or false", text, kind)
	}
	program, err := env.Program(ast, cel.CostLimit(costLimit), cel.InterruptCheckFrequency(1000))
	if err != nil {
		return Expr{}, err
	}
	return Expr{Pos: pos, Text: text, program: program}, nil
}

// environment is that of the variables known now.
func (c *compiler) environment() (*cel.Env, error) {
	names := slices.Sorted(maps.Keys(c.known))
	key := strings.Join(names, " ")
	if env := c.environments[key]; env != nil {
		return env, nil
	}
	if c.environments == nil {
		base, err := cel.NewEnv(functions()...)
		if err != nil {
			return nil, err
		}
		c.environments = map[string]*cel.Env{"": base}
	}
	var variables []cel.EnvOption
	for _, name := range names {
		variables = append(variables, cel.Variable(name, cel.DynType))
	}
	env, err := c.environments[""].Extend(variables...)
	if err != nil {
		return nil, err
	}
	c.environments[key] = env
	return env, nil
}

// functions are those that expressions have beyond the language's own.
func functions() []cel.EnvOption {
	return []cel.EnvOption{
		ext.Strings(), ext.Lists(), ext.Math(),
		cel.Function("tx", cel.Overload("tx_string", []*cel.Type{cel.StringType}, cel.StringType,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return types.String(TxID(string(v.(types.String)))) }))),
		cel.Function("state", cel.Overload("state_string_int", []*cel.Type{cel.StringType, cel.IntType}, cel.StringType,
			cel.BinaryBinding(func(name, index ref.Val) ref.Val {
				return types.String(fmt.Sprintf("%s:%d", TxID(string(name.(types.String))), int64(index.(types.Int))))
			}))),
		cel.Function("states", cel.Overload("states_string_int_int", []*cel.Type{cel.StringType, cel.IntType, cel.IntType},
			cel.ListType(cel.StringType), cel.FunctionBinding(func(a ...ref.Val) ref.Val {
				from, to := int64(a[1].(types.Int)), int64(a[2].(types.Int))
				if to-from > maxStates {
					return types.NewErr("states() of more than %d", maxStates)
				}
				var list []string
				for i := from; i < to; i++ {
					list = append(list, fmt.Sprintf("%s:%d", TxID(string(a[0].(types.String))), i))
				}
				return types.DefaultTypeAdapter.NativeToValue(list)
			}))),
	}
}

// maxStates bounds the list that states() makes.
const maxStates = 100_000

// TxID is the transaction id that scenarios use under a name: SHA-256D:HEX, the double SHA-256 of the name. Names that
// hold the run's id give ids that are new in each run.
func TxID(name string) string {
	once := sha256.Sum256([]byte(name))
	twice := sha256.Sum256(once[:])
	return "SHA-256D:" + strings.ToUpper(hex.EncodeToString(twice[:]))
}
