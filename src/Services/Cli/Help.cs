using System.Reflection;

namespace FlatRender.Cli;

/// <summary>What the commands are, in one page.</summary>
public static class Help
{
    const string Page = """
        flatrender COMMAND

        Make a film:
          render TEMPLATE.json [options]   render a Lottie template to an mp4; TEMPLATE.fields.json beside it names its fields
            --set KEY=VALUE                  fill a field (text, #rrggbb or an image file); without a fields file: a text layer by its name
            --data INPUTS.json               many fields at once: {"KEY": "VALUE", ...}
            --size WxH  --fps N              other than the template's own; N is 30, 29.97 or 30000/1001
            --background #rrggbb             what lies under the composition
            -o, --output FILM.mp4            where the film goes
            --slots N                        frames drawn at once, 1 for each core unless said
            --timing                         say where the seconds went
            --json                           one JSON object at the end, on standard output

        Keep it running:
          up [--port 7600] [--slots N] [--database CONN]
                                           start database, host and a render node; does nothing to what runs
          down                             stop them
          status [--json]                  what runs
          doctor                           what is installed, what runs, what is wrong and how to mend it

        Look after jobs:
          jobs [--json]                    the latest jobs
          jobs JOB [--watch] [--json]      one job: its state and its timeline
          why JOB [--json]                 what it waits for
          cancel JOB [--reason TEXT]
          retry JOB [--reason TEXT]

        Look after the farm:
          nodes [--json]                   the render nodes: state, slots, what they work on
          nodes drain|quarantine|release NODE [--reason TEXT]
                                           NODE is a name or the beginning of an id
          limits [--json]                  how many slots tenants and templates may take at once
          limits tenant|template ID|all N|none [--reason TEXT]

        Apart, over RabbitMQ and PostgreSQL, as on many machines:
          cluster up [--brokers N] [--renders N] [--gateways N] [--agents N] [--slots N]
                                           start private ones and the server in several processes; starts again what died
          cluster render ..., cluster jobs ..., cluster audit ...
                                           the command, on the cluster
          cluster status [--json], cluster down
          deadletters [list|show|resend]   messages that nobody could take in: what, why, and again

        For developers and operators:
          test [--filter X]                all tests; X is a suite's name or part of a test's name
          test --marten                    the pipeline's tests with Marten as the store, where its package can be had
          bench NAME [--json]              measure
          serve, migrate, audit, projections     passed on to the host
          node --orchestrator URL [--slots N] [--tags a,b]
                                           a render node for a FlatRender that runs elsewhere
          version, help

        Exit code: 0 done, 1 failed, 2 bad input, 130 interrupted.
        Environment: FLATRENDER_HOME (data folder, else .flatrender in the checkout), FLATRENDER_DATABASE (a PostgreSQL to use instead of a private one),
        FLATRENDER_URL and FLATRENDER_API_TOKEN (a FlatRender that runs elsewhere).
        """;

    public static Task<int> Print(Workplace at)
    {
        at.Terminal.Output.WriteLine(Page);
        return Task.FromResult(Exit.Ok);
    }

    public static Task<int> PrintVersion(Workplace at)
    {
        at.Terminal.Output.WriteLine($"flatrender {Version}");
        return Task.FromResult(Exit.Ok);
    }

    public static string Version => typeof(Help).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];
}
