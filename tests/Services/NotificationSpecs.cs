using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using FlatRender.Contracts;
using FlatRender.Notification;
using Microsoft.AspNetCore.Http;

namespace FlatRender.Services.Tests;

/// <summary>What people and webhooks are told, once each event and as often as it takes.</summary>
public sealed class NotificationSpecs : IAsyncLifetime
{
    Postbox _box = null!;

    public async Task InitializeAsync() => _box = await Postbox.OpenAsync();

    public async Task DisposeAsync() => await _box.DisposeAsync();

    void Answers(int status) => _box.Receiver.Answer = http =>
    {
        http.Response.StatusCode = status;
        return Task.CompletedTask;
    };

    async Task<(WebhookView Hook, DeliveryView Delivery)> QueuedAsync(bool well = true)
    {
        var hook = await _box.HookAsync();
        await _box.EndAsync(well);
        await _box.TakeInAsync();
        return (hook, (await _box.DeliveriesOfAsync(hook)).Single());
    }

    /// <summary>For receivers that a test holds up: nothing runs out in real time, while the clock stands still and would let nothing be tried again.</summary>
    static Task<Postbox> PatientAsync() => Postbox.OpenAsync(s => s with { Patience = TimeSpan.FromMinutes(5), Lease = TimeSpan.FromMinutes(10) });

    static async Task UntilAsync(string what, Func<Task<bool>> isSo)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!await isSo())
            if (patience.IsCancellationRequested || !await tick.WaitForNextTickAsync(CancellationToken.None)) throw new TimeoutException($"In vain: {what}.");
    }

    // Lets as much time pass as it takes until something is due, then tries.
    async Task NextAsync(WebhookView hook)
    {
        var next = (await _box.DeliveriesOfAsync(hook)).Min(d => d.NextAt);
        if (next > _box.Clock.GetUtcNow()) _box.Clock.Advance(next.Value - _box.Clock.GetUtcNow());
        await _box.DeliverAsync();
    }

    [Fact]
    public async Task A_webhook_is_told_signed_as_the_page_says_and_once()
    {
        var hook = await _box.HookAsync("/told?shop=7");
        var job = await _box.EndAsync();
        await _box.TakeInAsync();
        await _box.DeliverAsync();
        await _box.DeliverAsync();

        var heard = _box.Receiver.Heard.ShouldHaveSingleItem();
        heard.Path.ShouldBe("/told?shop=7");
        heard.Headers[SignedHeaders.Signature].ShouldBe(CallSignature.Of(hook.Secret!, "POST", heard.Path, CallSignature.DigestOf(Encoding.UTF8.GetBytes(heard.Body)), long.Parse(heard.Headers[SignedHeaders.Timestamp], CultureInfo.InvariantCulture), heard.Headers[SignedHeaders.Nonce]));
        var call = JsonSerializer.Deserialize<WebhookCall>(heard.Body, Wire.Json)!;
        (call.TenantId, call.Notice.JobId, call.Notice.Event, call.Notice.Step, call.Notice.Title).ShouldBe((_box.Owner.TenantId, job, "render.job.done.v1", Step.Done, "a film"));
        heard.Headers[WebhookHeaders.Delivery].ShouldBe($"{call.DeliveryId}");
        (await _box.DeliveriesOfAsync(hook)).Single().State.ShouldBe("delivered");
        (await _box.Deliveries.FindAsync(_box.Owner.TenantId, call.DeliveryId, default))!.Attempts.Select(a => (a.Attempt, a.Status, a.Error)).ShouldBe([(1, 200, null)]);
        (await _box.FactsAsync(call.DeliveryId)).Select(f => f.GetType()).ShouldBe([typeof(NotificationQueued), typeof(NotificationDelivered)]);
    }

    [Fact]
    public async Task An_event_is_queued_once_for_each_webhook_however_often_it_is_taken_in()
    {
        var (one, failures) = (await _box.HookAsync(), await _box.HookAsync("/failures", events: "render.job.failed.v1"));
        await _box.EndAsync();
        await _box.EndAsync(well: false);
        await _box.TakeInAsync();
        await _box.TakeInAsync();
        await _box.RebuildAsync();
        (await _box.DeliveriesOfAsync(one)).Length.ShouldBe(2);
        var failed = (await _box.DeliveriesOfAsync(failures)).Single();
        failed.Event.ShouldBe("render.job.failed.v1");
        (await _box.FactsAsync(failed.DeliveryId)).ShouldHaveSingleItem();
        (await _box.NoticesAsync()).Total.ShouldBe(2);

        _box.Clock.Advance(TimeSpan.FromSeconds(1));
        var late = await _box.HookAsync("/late");
        await _box.TakeInAsync();
        (await _box.DeliveriesOfAsync(late)).ShouldBeEmpty("what was before is none of its business");
    }

    [Fact]
    public async Task What_fails_is_tried_at_growing_distances_and_given_up_after_a_day_with_every_attempt_on_record()
    {
        Answers(500);
        var (hook, queued) = await QueuedAsync();
        var (began, times) = (_box.Clock.GetUtcNow(), new List<double>());
        while ((await _box.DeliveriesOfAsync(hook)).Single().State == "waiting")
        {
            await NextAsync(hook);
            times.Add((_box.Clock.GetUtcNow() - began).TotalSeconds);
        }
        times.Take(6).ShouldBe([0, 10, 30, 70, 150, 310]);
        times.Zip(times.Skip(1), (a, b) => b - a).Max().ShouldBe(3600);
        times[^1].ShouldBeInRange(23 * 3600, 24 * 3600);
        var log = (await _box.Deliveries.FindAsync(_box.Owner.TenantId, queued.DeliveryId, default))!;
        log.Attempts.Select(a => (a.At - began).TotalSeconds).ShouldBe(times);
        log.Attempts.ShouldAllBe(a => a.Status == 500 && a.Error != null);
        _box.Receiver.Heard.Select(h => h.Body).Distinct().ShouldHaveSingleItem("the same at every attempt");
        _box.Receiver.Heard.Select(h => h.Headers[SignedHeaders.Nonce]).Distinct().Count().ShouldBe(times.Count);
        (await _box.FactsAsync(queued.DeliveryId)).OfType<NotificationFailed>().Single().Attempts.ShouldBe(times.Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_delivery_is_replayed_whatever_came_of_it(bool well)
    {
        Answers(well ? 200 : 503);
        var (hook, queued) = await QueuedAsync();
        while ((await _box.DeliveriesOfAsync(hook)).Single().State == "waiting") await NextAsync(hook);
        Answers(204);
        _box.Receiver.Heard.Clear();
        (await _box.Deliveries.ReplayAsync(_box.Owner, queued.DeliveryId, default))!.Value.Queued.ShouldBeTrue();
        await _box.DeliverAsync();
        _box.Receiver.Heard.Single().Headers[WebhookHeaders.Delivery].ShouldBe($"{queued.DeliveryId}", "by which the receiver knows it");
        (await _box.DeliveriesOfAsync(hook)).Single().State.ShouldBe("delivered");
        (await _box.FactsAsync(queued.DeliveryId)).OfType<NotificationQueued>().Last().By.ShouldBe(_box.Owner.Name);
    }

    [Fact]
    public async Task A_tenant_whose_receivers_hang_holds_up_nobody_else()
    {
        await using var box = await PatientAsync();
        var (go, other) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), box.Owner with { TenantId = new TenantId(Ids.New()) });
        box.Receiver.Answer = http => http.Request.Path == "/hangs" ? go.Task : Task.CompletedTask;
        for (var n = 0; n < 4; n++) await box.HookAsync("/hangs");
        for (var n = 0; n < 30; n++) await box.EndAsync();
        await box.HookAsync("/answers", of: other);
        for (var n = 0; n < 20; n++) await box.EndAsync(of: other);
        await box.TakeInAsync();
        var deliverer = box.Deliverer();
        await deliverer.StartAsync(default);
        await UntilAsync("the other tenant is told", () => Task.FromResult(Heard("/answers") == 20 && Heard("/hangs") > 0));
        Heard("/hangs").ShouldBeInRange(1, 2 * Deliverer.OfOne, "of 120");
        go.SetResult();
        await UntilAsync("all is told", () => Task.FromResult(Heard("/hangs") == 120));
        await deliverer.StopAsync(default);

        int Heard(string path) => box.Receiver.Heard.Count(h => h.Path == path);
    }

    [Fact]
    public async Task Many_processes_deliver_each_thing_once_and_a_replay_does_not_meet_an_attempt_that_is_under_way()
    {
        await using var box = await PatientAsync();
        var hook = await box.HookAsync();
        for (var i = 0; i < 8; i++) await box.EndAsync();
        await box.TakeInAsync();
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        box.Receiver.Answer = _ => go.Task;
        Deliverer[] processes = [box.Deliverer(), box.Deliverer(), box.Deliverer()];
        var under = Task.WhenAll(processes.Select(p => p.DeliverDueAsync(default)));
        await UntilAsync("each is under way", () => Task.FromResult(box.Receiver.Heard.Count == 8));
        await box.Deliveries.ReplayAsync(box.Owner, (await box.DeliveriesOfAsync(hook))[0].DeliveryId, default);
        (await Task.WhenAll(processes.Select(p => p.DeliverDueAsync(default)))).ShouldBe([0, 0, 0]);
        go.SetResult();
        (await under).Sum().ShouldBe(8);
        box.Receiver.Heard.Count.ShouldBe(8);
        (await box.DeliveriesOfAsync(hook)).ShouldAllBe(d => d.State == "delivered" && d.Attempts == 1);
    }

    [Fact]
    public async Task An_attempt_whose_process_died_is_made_again_and_what_the_dead_one_says_late_changes_nothing()
    {
        var (hook, _) = await QueuedAsync();
        var lost = (await _box.Deliveries.TakeAsync(16, 16, [], default)).Single();
        await _box.DeliverAsync();
        _box.Receiver.Heard.ShouldBeEmpty("its lease has not ended");
        _box.Clock.Advance(TimeSpan.FromMinutes(1));
        await _box.DeliverAsync();
        await _box.Deliveries.FinishAsync(lost, new(null, "too late", 1), default);
        var after = (await _box.DeliveriesOfAsync(hook)).Single();
        (after.State, after.Attempts).ShouldBe(("delivered", 2));
        (await _box.NowAsync(hook)).FailingSince.ShouldBeNull();
    }

    [Fact]
    public async Task A_webhook_that_fails_for_five_days_is_disabled_and_that_is_a_fact()
    {
        Answers(404);
        var hook = await _box.HookAsync();
        for (var day = 0; (await _box.NowAsync(hook)).DisabledAt is null; day++)
        {
            day.ShouldBeLessThan(7);
            await _box.EndAsync();
            await _box.TakeInAsync();
            while ((await _box.DeliveriesOfAsync(hook)).Any(d => d.State == "waiting")) await NextAsync(hook);
        }
        var now = await _box.NowAsync(hook);
        (now.DisabledAt!.Value - now.FailingSince!.Value).ShouldBe(TimeSpan.FromDays(5), TimeSpan.FromHours(2));
        (await _box.FactsAsync(hook.WebhookId)).OfType<WebhookDisabled>().Single().FailingSince.ShouldBe(now.FailingSince.Value);
        (await _box.DeliveriesOfAsync(hook)).ShouldAllBe(d => d.State == "failed");

        var before = (await _box.DeliveriesOfAsync(hook)).Length;
        await _box.EndAsync();
        await _box.TakeInAsync();
        (await _box.DeliveriesOfAsync(hook)).Length.ShouldBe(before);
        (await _box.Deliveries.ReplayAsync(_box.Owner, (await _box.DeliveriesOfAsync(hook))[0].DeliveryId, default))!.Value.Queued.ShouldBeFalse();
        Answers(200);
        (await _box.Webhooks.EnableAsync(_box.Owner.TenantId, hook.WebhookId, default))!.DisabledAt.ShouldBeNull();
        _box.Clock.Advance(TimeSpan.FromSeconds(1));
        await _box.EndAsync();
        await _box.TakeInAsync();
        await _box.DeliverAsync();
        (await _box.DeliveriesOfAsync(hook))[0].State.ShouldBe("delivered");
    }

    [Fact]
    public async Task Redirects_are_not_followed_and_what_an_answer_holds_is_not_read()
    {
        _box.Receiver.Answer = async http =>
        {
            http.Response.StatusCode = 302;
            http.Response.Headers.Location = "/elsewhere";
            // Without end, were anybody to read it.
            while (!http.RequestAborted.IsCancellationRequested) await http.Response.Body.WriteAsync(new byte[1 << 16], http.RequestAborted);
        };
        var (_, queued) = await QueuedAsync();
        await _box.DeliverAsync();
        _box.Receiver.Heard.Select(h => h.Path).ShouldBe(["/told"]);
        (await _box.Deliveries.FindAsync(_box.Owner.TenantId, queued.DeliveryId, default))!.Attempts.Single().Error!.ShouldContain("redirects are not followed");
    }

    [Fact]
    public async Task Who_does_not_answer_in_time_has_not_answered()
    {
        await using var hasty = await Postbox.OpenAsync(s => s with { Patience = TimeSpan.FromMilliseconds(200) });
        hasty.Receiver.Answer = http => Task.Delay(Timeout.Infinite, http.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        var hook = await hasty.HookAsync();
        await hasty.EndAsync();
        await hasty.TakeInAsync();
        await hasty.DeliverAsync();
        var delivery = (await hasty.DeliveriesOfAsync(hook)).Single();
        delivery.State.ShouldBe("waiting");
        (await hasty.Deliveries.FindAsync(hasty.Owner.TenantId, delivery.DeliveryId, default))!.Attempts.Single().Error!.ShouldStartWith("No answer");
    }

    [Fact]
    public async Task What_is_not_the_open_internet_is_not_connected_to_whatever_it_is_called()
    {
        await using var box = await Postbox.OpenAsync(s => s with { Private = false });
        var port = new Uri(box.Receiver.Url).Port;
        var hooks = new List<WebhookView>();
        foreach (var host in new[] { "127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433" }) hooks.Add((await box.Webhooks.AddAsync(box.Owner.TenantId, new($"http://{host}:{port}/told", null), default))!);
        await box.EndAsync();
        await box.TakeInAsync();
        await box.DeliverAsync();
        box.Receiver.Heard.ShouldBeEmpty();
        foreach (var hook in hooks)
            (await box.Deliveries.FindAsync(box.Owner.TenantId, (await box.DeliveriesOfAsync(hook)).Single().DeliveryId, default))!.Attempts.Single().Error!.ShouldContain("open internet", Case.Sensitive, hook.Url);
    }

    [Fact]
    public async Task A_webhook_is_https_unless_the_configuration_says_otherwise()
    {
        await using var box = await Postbox.OpenAsync(s => s with { Http = false });
        foreach (var url in new[] { "http://example.org/x", "ftp://example.org/x", "https://user:password@example.org/x", "https://example.org/x#part", "/x", "", null })
            box.Webhooks.Problems(new(url!, null)).Single().Code.ShouldBe("BAD_URL", url);
        box.Webhooks.Problems(new("https://example.org/x?y=1", ["render.job.done.v1"])).ShouldBeEmpty();
        box.Webhooks.Problems(new("https://example.org/", ["render.job.queued.v1"])).Single().Code.ShouldBe("BAD_EVENTS");
    }

    [Fact]
    public async Task A_person_reads_their_own_notices_and_a_mark_outlives_a_rebuild()
    {
        await _box.EndAsync();
        await _box.EndAsync(well: false);
        await _box.TakeInAsync();
        var stranger = _box.Owner with { UserId = new UserId(Ids.New()) };
        (await _box.NoticesAsync(stranger)).Total.ShouldBe(0);
        var first = (await _box.NoticesAsync(unread: true)).Items[0];
        (await _box.ReadAsync(first.NoticeId, stranger)).ShouldBeFalse();
        (await _box.ReadAsync(first.NoticeId)).ShouldBeTrue();
        (await _box.ReadAsync(first.NoticeId)).ShouldBeTrue();
        (await _box.NoticesAsync(unread: true)).Total.ShouldBe(1);
        await _box.TakeInAsync();
        (await _box.NoticesAsync()).Items.Single(n => n.NoticeId == first.NoticeId).ReadAt.ShouldBe(_box.Clock.GetUtcNow());
        await _box.ReadAsync(null);
        (await _box.NoticesAsync(unread: true)).Total.ShouldBe(0);
    }

    [Fact]
    public async Task A_webhook_that_is_removed_is_told_no_more_and_its_deliveries_stay_to_be_looked_at()
    {
        var (hook, queued) = await QueuedAsync();
        (await _box.Deliveries.RemoveWebhookAsync(new TenantId(Ids.New()), hook.WebhookId, default)).ShouldBeFalse();
        (await _box.Deliveries.RemoveWebhookAsync(_box.Owner.TenantId, hook.WebhookId, default)).ShouldBeTrue();
        await _box.DeliverAsync();
        _box.Receiver.Heard.ShouldBeEmpty();
        (await _box.Deliveries.FindAsync(_box.Owner.TenantId, queued.DeliveryId, default))!.Delivery.State.ShouldBe("failed");
        (await _box.FactsAsync(queued.DeliveryId)).Last().ShouldBeOfType<NotificationFailed>().Reason.ShouldBe("the webhook was removed");
    }

    [Fact]
    public async Task A_webhook_that_is_removed_while_something_is_queued_for_it_leaves_nothing_waiting()
    {
        var hook = await _box.HookAsync();
        await _box.EndAsync();
        Task<bool>? removing = null;
        await _box.TakeInAsync(before: async () =>
        {
            removing = _box.Deliveries.RemoveWebhookAsync(_box.Owner.TenantId, hook.WebhookId, default);
            await UntilAsync("the removal waits for this, or is done", async () => removing.IsCompleted || await _box.SomebodyWaitsAsync());
        });
        (await removing!).ShouldBeTrue();
        (await _box.DeliveriesOfAsync(hook)).Single().State.ShouldBe("failed");
    }
}

/// <summary>What of the internet is open.</summary>
public sealed class OpenAddressSpecs
{
    [Theory]
    [InlineData("93.184.216.34", true)]
    [InlineData("2606:2800:220:1:248:1893:25c8:1946", true)]
    [InlineData("::ffff:93.184.216.34", true)]
    [InlineData("10.1.2.3", false)]
    [InlineData("172.31.255.255", false)]
    [InlineData("192.168.0.1", false)]
    [InlineData("169.254.169.254", false)]
    [InlineData("100.64.0.1", false)]
    [InlineData("0.0.0.0", false)]
    [InlineData("224.0.0.1", false)]
    [InlineData("255.255.255.255", false)]
    [InlineData("::", false)]
    [InlineData("fe80::1", false)]
    [InlineData("fd00::1", false)]
    [InlineData("64:ff9b::a00:1", false)]
    [InlineData("2002:0a00:0001::", false)]
    [InlineData("::ffff:10.0.0.1", false)]
    public void An_address_is_open_or_it_is_not(string address, bool open) => OpenAddress.Is(IPAddress.Parse(address)).ShouldBe(open);
}
