using FlatRender.Contracts;

namespace FlatRender.Cli;

/// <param name="Name">Without the dashes.</param>
/// <param name="Value">What it takes, as the help calls it; null for a switch.</param>
public sealed record Option(string Name, string? Value = null, char? Short = null, bool Repeats = false);

/// <summary>The words after a command, told apart. Strict: what is not declared is a problem, and all problems are kept.</summary>
public sealed class CommandLine
{
    readonly Dictionary<string, List<string>> _values = [];
    readonly List<string> _words = [];

    public List<Problem> Problems { get; } = [];
    public IReadOnlyList<string> Words => _words;

    public bool Has(string name) => _values.ContainsKey(name);
    public string? Value(string name) => _values.TryGetValue(name, out var values) ? values[^1] : null;
    public IReadOnlyList<string> Values(string name) => _values.TryGetValue(name, out var values) ? values : [];

    public static CommandLine Parse(IReadOnlyList<string> args, params IReadOnlyList<Option> options)
    {
        var line = new CommandLine();
        for (var i = 0; i < args.Count; i++)
        {
            var arg = args[i];
            if (arg == "--")
            {
                line._words.AddRange(args.Skip(i + 1));
                break;
            }
            // "-" alone and negative numbers are words, not options.
            if (arg.Length < 2 || arg[0] != '-' || char.IsAsciiDigit(arg[1]))
            {
                line._words.Add(arg);
                continue;
            }
            var equals = arg.StartsWith("--", StringComparison.Ordinal) ? arg.IndexOf('=') : -1;
            var name = equals < 0 ? arg : arg[..equals];
            if (options.FirstOrDefault(o => name == "--" + o.Name || name.Length == 2 && name[1] == o.Short) is not { } option)
                line.Wrong(name, "UNKNOWN_OPTION", "there is no such option: see `flatrender help`");
            else if (option.Value is null && equals >= 0)
                line.Wrong(name, "BAD_OPTION", "takes no value");
            else if (option.Value is null)
                line.Add(option, "");
            else if (equals >= 0)
                line.Add(option, arg[(equals + 1)..]);
            else if (i + 1 < args.Count)
                line.Add(option, args[++i]);
            else
                line.Wrong(name, "BAD_OPTION", $"wants a value: {name} {option.Value}");
        }
        return line;
    }

    void Add(Option option, string value)
    {
        if (!_values.TryGetValue(option.Name, out var values))
            _values[option.Name] = [value];
        else if (option.Repeats)
            values.Add(value);
        else
            Wrong("--" + option.Name, "BAD_OPTION", "is given twice");
    }

    public void Wrong(string field, string code, string message) => Problems.Add(new(field, code, message));

    /// <summary>A whole number within bounds, or the default where the option is absent.</summary>
    public int Number(string name, int least, int most, int otherwise)
    {
        if (Value(name) is not { } text)
            return otherwise;
        if (int.TryParse(text, out var number) && number >= least && number <= most)
            return number;
        Wrong("--" + name, "BAD_OPTION", $"'{text}' is not a whole number from {least} to {most}");
        return otherwise;
    }

    /// <summary>Refuses words beyond those a command takes.</summary>
    public CommandLine Takes(int least, int most, string what)
    {
        if (_words.Count < least)
            Problems.Insert(0, new(null, "MISSING_ARGUMENT", $"{what} is missing: see `flatrender help`"));
        foreach (var extra in _words.Skip(most))
            Wrong(extra, "UNEXPECTED_ARGUMENT", most == 0 ? "this command takes no such word" : $"only one {what} is taken");
        return this;
    }

    /// <exception cref="Refusal">Something was wrong.</exception>
    public CommandLine OrRefuse() => Problems.Count == 0 ? this : throw new Refusal(Exit.BadInput, Problems);
}
