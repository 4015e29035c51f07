using System.Text.Json;
using FlatRender.Contracts;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace FlatRender.Host;

/// <summary><c>flatrender deadletters</c>: messages that nobody could take in are shown, explained and sent again.</summary>
static class DeadLettersCommand
{
    const string Usage = """
        usage: flatrender deadletters [list] [--json]     what lies there, and why
               flatrender deadletters show ID             one message, whole
               flatrender deadletters resend ID|--all     to the queue it failed at
        The broker is the one in FLATRENDER_BROKER.
        """;

    /// <summary>Taken in hand at once at most: the rest is told as a number.</summary>
    const int Most = 1000;

    /// <returns>0: done; none lie there. 1: some do, or it is not there. 2: not understood.</returns>
    public static async Task<int> RunAsync(string[] args, string? broker, CancellationToken cancel)
    {
        Func<IChannel, CancellationToken, Task<int>>? work = args switch
        {
            [] or ["list"] => (channel, stop) => ListAsync(channel, json: false, stop),
            ["--json"] or ["list", "--json"] => (channel, stop) => ListAsync(channel, json: true, stop),
            ["show", var id] => (channel, stop) => ShowAsync(channel, id, stop),
            ["resend", "--all"] => (channel, stop) => ResendAsync(channel, null, stop),
            ["resend", var id] => (channel, stop) => ResendAsync(channel, id, stop),
            _ => null,
        };
        if (work is null) return Say(Usage, 2);
        if (broker is null or "memory") return Say("No broker: set FLATRENDER_BROKER. In one process, over memory, a message that fails is in the log, and its render's reminder asks again.", 2);
        try
        {
            await using var connection = await DeadLetters.OpenAsync(broker, cancel);
            await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), cancel);
            await DeadLetters.DeclareAsync(channel, cancel);
            // What was taken in hand and not acknowledged goes back when the channel closes.
            return await work(channel, cancel);
        }
        catch (BrokerUnreachableException e)
        {
            return Say($"The broker does not answer: {e.Message}", 1);
        }
    }

    static async Task<int> ListAsync(IChannel channel, bool json, CancellationToken cancel)
    {
        var (letters, more) = await TakeAsync(channel, cancel);
        if (json)
        {
            Console.WriteLine(JsonSerializer.Serialize(new { Total = letters.Count + more, Items = letters.Select(l => new { l.Letter.Id, l.Letter.Queue, l.Letter.Type, JobId = l.Letter.Job, l.Letter.Exception, Message = l.Letter.Why, l.Letter.At }) }, Wire.Json));
            return letters.Count == 0 ? 0 : 1;
        }
        if (letters.Count == 0) return Say("No dead letters.", 0);
        foreach (var group in letters.Select(l => l.Letter).GroupBy(l => (l.Queue, l.Type, l.Exception)))
        {
            Console.WriteLine($"{group.Count()} x {group.Key.Type} at {group.Key.Queue}: {group.Key.Exception}");
            foreach (var letter in group)
                Console.WriteLine($"  {letter.Id}  {letter.At:yyyy-MM-dd HH:mm:ss}  {(letter.Job is { } job ? $"render {job}" : "")}  {letter.Why.ReplaceLineEndings(" ")}");
        }
        if (more > 0) Console.WriteLine($"... and {more} more.");
        return 1;
    }

    static async Task<int> ShowAsync(IChannel channel, string id, CancellationToken cancel)
    {
        if ((await TakeAsync(channel, cancel)).Letters.FirstOrDefault(l => l.Letter.Id == id) is not { Letter: { } letter }) return Say($"There is no dead letter {id}.", 1);
        Console.WriteLine($"{letter.Type} at {letter.Queue}: {letter.Exception}\n{letter.Why}\n");
        foreach (var (name, value) in letter.Headers.OrderBy(h => h.Key, StringComparer.Ordinal)) Console.WriteLine($"{name}: {value}");
        Console.WriteLine($"\n{letter.Body}");
        return 0;
    }

    static async Task<int> ResendAsync(IChannel channel, string? id, CancellationToken cancel)
    {
        var sent = 0;
        foreach (var (letter, got) in (await TakeAsync(channel, cancel)).Letters.Where(l => id is null || l.Letter.Id == id))
        {
            var properties = new BasicProperties(got.BasicProperties);
            properties.Headers = properties.Headers?.Where(h => !h.Key.StartsWith("MT-Fault", StringComparison.Ordinal) && !h.Key.StartsWith("x-", StringComparison.Ordinal) && h.Key != "MT-Reason").ToDictionary();
            try
            {
                // Mandatory and confirmed, and only then taken from here: it lies in one place or the other, never in none.
                await channel.BasicPublishAsync("", letter.Queue, mandatory: true, properties, got.Body, cancel);
            }
            catch (PublishException e) when (e.IsReturn)
            {
                Console.Error.WriteLine($"{letter.Id}: there is no queue {letter.Queue} any more; it stays here.");
                continue;
            }
            await channel.BasicAckAsync(got.DeliveryTag, multiple: false, cancel);
            Console.WriteLine($"{letter.Id}: {letter.Type} sent again to {letter.Queue}");
            sent++;
        }
        return sent > 0 || id is null ? 0 : Say($"There is no dead letter {id}.", 1);
    }

    static async Task<(List<(DeadLetter Letter, BasicGetResult Got)> Letters, long More)> TakeAsync(IChannel channel, CancellationToken cancel)
    {
        var letters = new List<(DeadLetter, BasicGetResult)>();
        var more = 0L;
        while (letters.Count < Most && await channel.BasicGetAsync(DeadLetters.Name, autoAck: false, cancel) is { } got)
        {
            letters.Add((DeadLetter.Of(got), got));
            more = got.MessageCount;
        }
        return (letters, more);
    }

    static int Say(string text, int code)
    {
        (code == 0 ? Console.Out : Console.Error).WriteLine(text);
        return code;
    }
}
