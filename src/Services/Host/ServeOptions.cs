using FlatRender.Content;
using FlatRender.EventStore;
using FlatRender.File;
using FlatRender.Foundation;
using FlatRender.Gateway;
using FlatRender.Gateway.Messages;
using FlatRender.Gateway.Sockets;
using FlatRender.Identity;
using FlatRender.Notification;
using FlatRender.Render;
using FlatRender.Studio;
using FlatRender.Support;

namespace FlatRender.Host;

/// <summary>How this process was asked to serve.</summary>
/// <param name="Prefetch">Messages of a queue that this process takes in hand at once.</param>
/// <param name="Concurrency">Messages of a queue that it works on at once.</param>
sealed record ServeOptions(IReadOnlyList<Service> Services, bool Pipeline, string Urls, Deployment Deployment, int Prefetch = 32, int Concurrency = 16, LiveLimits? Live = null, MessageFile? Messages = null)
{
    /// <summary>The one table of rooms. The pipeline (the saga) is a role too, though it has no door of its own.</summary>
    static readonly Func<Service>[] Rooms = [() => new GatewayService(), () => new IdentityService(), () => new ContentService(), () => new StudioService(), () => new FileService(), () => new RenderService(), () => new NotificationService(), () => new SupportService()];

    public static IEnumerable<Service> AllServices => Rooms.Select(make => make());

    public static string? DatabaseGiven => Environment.GetEnvironmentVariable("FLATRENDER_DATABASE") is { Length: > 0 } given ? given : null;

    public static string? BrokerGiven => Environment.GetEnvironmentVariable("FLATRENDER_BROKER") is { Length: > 0 } given ? given : null;

    const string PipelineRole = "pipeline";

    /// <exception cref="UsageException">Something in the arguments or the environment cannot be used.</exception>
    public static ServeOptions Parse(string[] args)
    {
        string roles = "all", urls = "http://127.0.0.1:7600", home = ".flatrender", broker = BrokerGiven ?? "memory";
        int prefetch = 32, concurrency = 16;
        var database = DatabaseGiven;
        var live = LiveLimits.Default;
        var messages = Environment.GetEnvironmentVariable("FLATRENDER_MESSAGES") is { Length: > 0 } file ? file : null;
        for (var i = 0; i < args.Length; i += 2)
        {
            if (i + 1 == args.Length) throw new UsageException($"{args[i]} needs a value.");
            var value = args[i + 1];
            switch (args[i])
            {
                case "--roles": roles = value; break;
                case "--urls": urls = value; break;
                case "--home": home = value; break;
                case "--broker": broker = value; break;
                case "--database": database = value; break;
                case "--ping": live = live with { Ping = Seconds(args[i], value) }; break;
                case "--pong": live = live with { Pong = Seconds(args[i], value) }; break;
                case "--messages": messages = value; break;
                case "--prefetch": prefetch = Number(args[i], value); break;
                case "--concurrency": concurrency = Number(args[i], value); break;
                default: throw new UsageException($"There is no option {args[i]}.");
            }
        }

        if (string.IsNullOrWhiteSpace(database)) throw new UsageException("No database: give --database, or set FLATRENDER_DATABASE.");
        if (broker != "memory" && !Brokers.Are(broker)) throw new UsageException($"--broker is memory, or the amqp: addresses of RabbitMQ (with commas, where it is a cluster), not '{Brokers.WithoutPassword(broker)}'.");
        var rooms = AllServices.ToArray();
        string[] known = [.. rooms.Select(r => r.Role), PipelineRole];
        string[] asked = Asked(roles, known);
        if (asked.Except(known).ToArray() is { Length: > 0 } strange) throw new UsageException($"There is no role {string.Join(", ", strange)}. The roles are: {string.Join(", ", known)}, or all.");
        if (asked.Length == 0) throw new UsageException($"No role was named. The roles are: {string.Join(", ", known)}, or all.");
        if (broker == "memory" && asked.Length < known.Length) throw new UsageException("Roles in separate processes need a broker: give --broker amqp://...");
        return new ServeOptions([.. rooms.Where(r => asked.Contains(r.Role))], asked.Contains(PipelineRole), urls,
            new Deployment(Path.GetFullPath(home), database, broker, new Secrets(Secret("FLATRENDER_API_TOKEN"), Secret("FLATRENDER_NODE_TOKEN"), Secret("FLATRENDER_ORCHESTRATOR_SECRET"),
                Environment.GetEnvironmentVariable("FLATRENDER_IDENTITY_SECRET") is { Length: > 0 } ? Secret("FLATRENDER_IDENTITY_SECRET") : null)), prefetch, concurrency, live, Routes(messages, broker));
    }

    /// <summary>Names, or <c>all</c>; a name after a minus is taken away again: <c>all,-render,-pipeline</c>.</summary>
    static string[] Asked(string roles, string[] known)
    {
        var words = roles.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        var without = words.Where(w => w.StartsWith('-')).Select(w => w[1..]).ToArray();
        if (without.Except(known).ToArray() is { Length: > 0 } strange) return strange;
        var with = words.Where(w => !w.StartsWith('-')).ToArray();
        return [.. (with.Contains("all") ? known.Union(with.Except(["all"])) : with).Except(without)];
    }

    static MessageFile Routes(string? path, string broker)
    {
        var file = new MessageFile(path is null ? null : Path.GetFullPath(path), broker == "memory");
        return MessageRoutes.Read(file) is { Plan: null, Problems: var wrong } ? throw new UsageException(new MessageRoutesException(file.Path!, wrong).Message) : file;
    }

    static int Number(string name, string value) => int.TryParse(value, out var number) && number is >= 1 and <= 10_000 ? number : throw new UsageException($"{name} takes a whole number from 1 to 10000, not '{value}'.");

    static TimeSpan Seconds(string name, string value) => double.TryParse(value, System.Globalization.CultureInfo.InvariantCulture, out var seconds) && seconds is >= 0.1 and <= 3600
        ? TimeSpan.FromSeconds(seconds)
        : throw new UsageException($"{name} is a number of seconds, 0.1 to 3600, not '{value}'.");

    static string Secret(string name) => Environment.GetEnvironmentVariable(name) is { Length: >= 16 } secret ? secret : throw new UsageException($"{name} must be set, to at least 16 characters.");
}

/// <summary>The caller asked for something that cannot be.</summary>
sealed class UsageException(string message) : Exception(message);
