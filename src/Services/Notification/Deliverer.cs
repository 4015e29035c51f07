using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;
using FlatRender.Contracts;
using FlatRender.Foundation;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FlatRender.Notification;

/// <summary>
/// Calls webhooks with what is due. Any number of processes do so beside each other. Calls are begun as others end, and of one tenant only so many at once: receivers that
/// hang take nothing from those that answer.
/// </summary>
public sealed partial class Deliverer(Deliveries deliveries, Webhooks webhooks, NotificationSettings settings, TimeProvider clock, ILogger<Deliverer> log) : BackgroundService
{
    const int AtOnce = 64;

    /// <summary>Of one tenant.</summary>
    public const int OfOne = 8;

    static readonly TimeSpan Look = TimeSpan.FromSeconds(1);
    static readonly Meter Meter = new("FlatRender.Notification");
    static readonly Counter<long> Ended = Meter.CreateCounter<long>("flatrender_webhook_attempts", description: "Calls to webhooks, by how they ended.");

    readonly HttpClient _http = new(OpenAddress.Handler(settings)) { Timeout = settings.Patience, MaxResponseContentBufferSize = 4096 };

    protected override async Task ExecuteAsync(CancellationToken stopping)
    {
        var under = new Dictionary<Task, Guid>();
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                foreach (var ended in under.Keys.Where(c => c.IsCompleted).ToArray())
                {
                    under.Remove(ended);
                    await ended;
                }

                var busy = under.Values.CountBy(tenant => tenant).Where(t => t.Value >= OfOne).Select(t => t.Key).ToArray();
                var due = under.Count < AtOnce ? await deliveries.TakeAsync(AtOnce - under.Count, OfOne, busy, stopping) : [];
                foreach (var one in due) under.Add(DeliverAsync(one, stopping), one.TenantId.Value);
                if (due.Count == 0) await Task.WhenAny([Task.Delay(Look, clock, stopping), .. under.Keys]);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // What was under way is tried again when its lease has ended.
                Interrupted(e);
                await Task.Delay(Look, clock, CancellationToken.None);
            }
        }
    }

    /// <summary>One round: what is due now, until all of it was tried.</summary>
    /// <returns>How many were tried.</returns>
    public async Task<int> DeliverDueAsync(CancellationToken cancel)
    {
        var due = await deliveries.TakeAsync(AtOnce, OfOne, [], cancel);
        await Task.WhenAll(due.Select(d => DeliverAsync(d, cancel)));
        return due.Count;
    }

    async Task DeliverAsync(Due due, CancellationToken cancel)
    {
        var outcome = await CallAsync(due, cancel);
        Ended.Add(1, new KeyValuePair<string, object?>("how", outcome.Error is null ? "delivered" : outcome.Status is { } status ? $"{status}" : "no answer"));
        await deliveries.FinishAsync(due, outcome, cancel);
    }

    async Task<Outcome> CallAsync(Due due, CancellationToken cancel)
    {
        if (webhooks.Unsealed(due.WebhookId, due.SealedSecret) is not { } secret) return new(null, "Its secret was sealed under another installation's; make the webhook anew.", 0);
        using var request = Signed(due, secret);
        var began = clock.GetTimestamp();
        try
        {
            // Nobody reads what it has to say: its status is the answer.
            using var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
            var status = (int)answer.StatusCode;
            return new(status, answer.IsSuccessStatusCode ? null : status is >= 300 and < 400 ? $"It answered {status}; redirects are not followed." : $"It answered {status}.", Taken());
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !cancel.IsCancellationRequested)
        {
            return new(null, e is TaskCanceledException ? $"No answer within {settings.Patience.TotalSeconds} s." : $"No answer: {e.Message}", Taken());
        }

        double Taken() => Math.Round(clock.GetElapsedTime(began).TotalSeconds, 3);
    }

    HttpRequestMessage Signed(Due due, string secret)
    {
        var (url, body) = (new Uri(due.Url), Encoding.UTF8.GetBytes(due.Body));
        var (digest, at, nonce) = (CallSignature.DigestOf(body), clock.GetUtcNow().ToUnixTimeSeconds(), Ids.New().ToString("N"));
        var request = new HttpRequestMessage(HttpMethod.Post, url) { Content = new ByteArrayContent(body) { Headers = { ContentType = new("application/json") } } };
        foreach (var (name, value) in new[]
        {
            (WebhookHeaders.Webhook, $"{due.WebhookId}"), (WebhookHeaders.Delivery, $"{due.DeliveryId}"), (WebhookHeaders.Event, due.Event), (SignedHeaders.Timestamp, at.ToString(CultureInfo.InvariantCulture)),
            (SignedHeaders.Nonce, nonce), (SignedHeaders.Digest, digest), (SignedHeaders.Signature, CallSignature.Of(secret, "POST", url.PathAndQuery, digest, at, nonce)), ("User-Agent", "FlatRender"),
        })
            request.Headers.TryAddWithoutValidation(name, value);
        return request;
    }

    public override void Dispose()
    {
        _http.Dispose();
        base.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Deliveries were interrupted; what was under way is tried again.")]
    partial void Interrupted(Exception e);
}
