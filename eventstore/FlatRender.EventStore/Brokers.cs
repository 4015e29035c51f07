namespace FlatRender.EventStore;

/// <summary>Where RabbitMQ is: one address, or those of a cluster's nodes with commas between them. Any of them will do.</summary>
public static class Brokers
{
    static readonly string[] Schemes = ["amqp", "amqps", "rabbitmq", "rabbitmqs"];

    /// <returns>The addresses as RabbitMQ's own client wants them.</returns>
    /// <exception cref="InvalidOperationException">It is no such address.</exception>
    public static IReadOnlyList<Uri> Of(string broker) =>
        [.. broker.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(b => Amqp(b) ?? throw new InvalidOperationException($"'{WithoutPassword(b)}' is no broker: write memory, or amqp://user:password@host:port/vhost."))];

    public static bool Are(string broker) => broker.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) is { Length: > 0 } all && all.All(b => Amqp(b) is not null);

    /// <summary>As it may stand in a log.</summary>
    public static string WithoutPassword(string broker) => string.Join(',', broker.Split(',').Select(b => Uri.TryCreate(b, UriKind.Absolute, out var uri) ? $"{uri.Scheme}://{uri.Authority}{uri.AbsolutePath}" : "(not an address)"));

    static Uri? Amqp(string address) =>
        Uri.TryCreate(address, UriKind.Absolute, out var uri) && Schemes.Contains(uri.Scheme) && uri.Host.Length > 0
            ? new UriBuilder(uri) { Scheme = uri.Scheme.EndsWith('s') ? "amqps" : "amqp" }.Uri
            : null;
}
