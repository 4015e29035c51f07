using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Identity;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;

namespace FlatRender.Gateway.Tests;

/// <summary>Credits from outside: held when a render is submitted, captured when it is done, refunded when it is not; never lost, never doubled.</summary>
public sealed class CreditSpecs(CreditSpecs.SmallPurses purses) : IClassFixture<CreditSpecs.SmallPurses>
{
    /// <summary>A welcome of three renders.</summary>
    public sealed class SmallPurses : IAsyncLifetime
    {
        public Server Server { get; } = new() { Settings = IdentitySettings.Default with { WelcomeMinor = 3, MaxActiveRenders = 2 } };

        public Task InitializeAsync() => Server.InitializeAsync();
        public Task DisposeAsync() => Server.DisposeAsync();
    }

    Server Server => purses.Server;

    [Fact]
    public async Task A_render_is_paid_for_when_its_film_is_there_and_not_before()
    {
        var one = await Server.RegisterAsync();
        var render = await Renders.SubmitAsync(one.Client);
        (await one.Client.GetAsync<CreditsView>("/v1/credits")).ShouldBe(new CreditsView(one.TenantId, 2, 1, 0, 3, 1, 2));

        await Server.FinishAsync(render.JobId);
        (await Renders.CreditsWhenAsync(one.Client, c => c.HeldMinor == 0)).ShouldBe(new CreditsView(one.TenantId, 2, 0, 1, 3, 0, 2));
        (await one.Client.GetAsync<Page<CreditEntry>>("/v1/credits/entries?page_size=2")).Items.Select(e => (e.Type, e.AmountMinor, e.JobId)).ShouldBe(
            [("tenant.credits.captured.v1", 0L, (JobId?)render.JobId), ("tenant.credits.held.v1", -1L, render.JobId)]);
        await SoundAsync();
    }

    [Fact]
    public async Task A_cancelled_render_gives_back_what_was_not_used()
    {
        var one = await Server.RegisterAsync();
        var render = await Renders.SubmitAsync(one.Client);
        await Renders.CancelAsync(one.Client, render.JobId, "no longer wanted");
        (await Renders.CreditsWhenAsync(one.Client, c => c.HeldMinor == 0)).AvailableMinor.ShouldBe(3);
    }

    [Fact]
    public async Task A_failed_render_gives_everything_back_and_its_retry_is_held_for_anew()
    {
        var one = await Server.RegisterAsync();
        var render = await Renders.SubmitAsync(one.Client);
        await Server.FailAsync(render.JobId);
        // The retry comes at once: whether the refund is in already makes no difference.
        await Renders.RetryAsync(one.Client, render.JobId, "again");
        await Renders.CreditsWhenAsync(one.Client, c => c is { HeldMinor: 1, AvailableMinor: 2 });
        await Server.FailAsync(render.JobId);
        await Renders.CreditsWhenAsync(one.Client, c => c is { HeldMinor: 0, AvailableMinor: 3, SpentMinor: 0 });
        (await Server.FactsAsync(one.TenantId.Value)).OfType<CreditsHeld>().Select(h => h.Attempt).ShouldBe([1, 2]);
        await SoundAsync();
    }

    [Fact]
    public async Task What_costs_more_than_there_is_is_refused_and_changes_nothing()
    {
        var one = await Server.RegisterAsync();
        var template = await Renders.UploadAsync(one.Client);
        var refusal = await one.Client.RefusedAsync(HttpMethod.Post, "/v1/renders", Renders.Of(template, width: 1920), 402);
        refusal.Code.ShouldBe("INSUFFICIENT_CREDITS");
        (await one.Client.GetAsync<CreditsView>("/v1/credits")).AvailableMinor.ShouldBe(3);
        (await one.Client.GetAsync<Page<RenderView>>("/v1/renders")).Total.ShouldBe(0);
    }

    [Fact]
    public async Task More_renders_at_once_than_the_quota_are_refused_until_support_gives_more()
    {
        var one = await Server.RegisterAsync();
        await Renders.SubmitAsync(one.Client);
        await Renders.SubmitAsync(one.Client);
        var template = await Renders.UploadAsync(one.Client);
        (await one.Client.RefusedAsync(HttpMethod.Post, "/v1/renders", Renders.Of(template), 429)).Code.ShouldBe("QUOTA_EXCEEDED");

        await Server.Owner().AskAsync<CreditsView>(HttpMethod.Put, $"/v1/support/tenants/{one.TenantId}/quota", new QuotaGiven(3, "a good customer"));
        await one.Client.AskAsync<RenderView>(HttpMethod.Post, "/v1/renders", Renders.Of(template), 202);
        (await Server.FactsAsync(one.TenantId.Value)).OfType<TenantQuotaChanged>().Last().Reason.ShouldBe("a good customer");
    }

    [Fact]
    public async Task A_grant_is_made_once_however_often_it_is_sent()
    {
        var one = await Server.RegisterAsync();
        for (var i = 0; i < 3; i++)
            (await Server.Owner().AskAsync<CreditsView>(HttpMethod.Post, $"/v1/support/tenants/{one.TenantId}/credits", new CreditGrant(50, "invoice 7", "paid"), 201)).GrantedMinor.ShouldBe(53);
        await Server.Owner().RefusedAsync(HttpMethod.Post, $"/v1/support/tenants/{Ids.New()}/credits", new CreditGrant(50, "invoice 7", "paid"), 404);
        await one.Client.RefusedAsync(HttpMethod.Post, $"/v1/support/tenants/{one.TenantId}/credits", new CreditGrant(50, "for me", "please"), 403);
    }

    [Fact]
    public async Task Many_at_once_never_spend_the_same_credits()
    {
        var one = await Server.RegisterAsync();
        await Server.Owner().AskAsync<CreditsView>(HttpMethod.Put, $"/v1/support/tenants/{one.TenantId}/quota", new QuotaGiven(100, "so that credits alone are the limit"));
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => HoldAsync(one, new JobId(Ids.New()))));
        answers.Count(a => a.Refusal is null).ShouldBe(3);
        answers.Count(a => a.Refusal == "INSUFFICIENT_CREDITS").ShouldBe(17);
        (await one.Client.GetAsync<CreditsView>("/v1/credits")).ShouldBe(new CreditsView(one.TenantId, 0, 3, 0, 3, 3, 100));
    }

    [Fact]
    public async Task What_was_held_for_a_render_that_never_came_goes_back_by_itself()
    {
        var one = await Server.RegisterAsync();
        // As when the gateway dies between the hold and the submission.
        await HoldAsync(one, new JobId(Ids.New()));
        var taken = await Renders.SubmitAsync(one.Client);
        (await one.Client.GetAsync<CreditsView>("/v1/credits")).HeldMinor.ShouldBe(2);

        Server.Clock.Advance(IdentitySettings.Default.ClaimPatience);
        var again = await Server.Anonymous().AskAsync<SignedIn>(HttpMethod.Post, "/v1/auth/login", new Credentials(one.Email, one.Password));
        (await Renders.CreditsWhenAsync(Server.With(again.AccessToken), c => c.HeldMinor == 1)).AvailableMinor.ShouldBe(2, "what the pipeline has taken up stays held");
        await Server.FinishAsync(taken.JobId);
        await Renders.CreditsWhenAsync(Server.With(again.AccessToken), c => c is { HeldMinor: 0, SpentMinor: 1 });
        await SoundAsync();
    }

    [Fact]
    public async Task The_first_render_of_a_private_installation_just_works()
    {
        var owner = Server.Owner();
        await Renders.SubmitAsync(owner);
        (await owner.GetAsync<CreditsView>("/v1/credits")).AvailableMinor.ShouldBeGreaterThan(1_000_000_000);
    }

    async Task<HoldAnswer> HoldAsync(Person who, JobId job)
    {
        await using var scope = Server.Services.CreateAsyncScope();
        return (await scope.ServiceProvider.GetRequiredService<IRequestClient<HoldCredits>>().GetResponse<HoldAnswer>(new HoldCredits(job, who.TenantId, 1, 0, 1))).Message;
    }

    async Task SoundAsync() => (await Server.Services.GetRequiredService<Audit>().VerifyAsync(Since.Parse(null)!, CancellationToken.None)).Findings.ShouldBeEmpty();
}
