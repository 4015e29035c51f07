using System.Runtime.InteropServices;
using FlatRender.Contracts;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FlatRender.Gateway.Messages;

/// <summary>Where the routes are written.</summary>
/// <param name="Path">Null: only the house's own are served.</param>
/// <param name="InMemory">There is no broker: nothing but the house's own can be reached.</param>
public sealed record MessageFile(string? Path, bool InMemory);

/// <summary>The routes as they are now. SIGHUP reads their file again; one with a mistake changes nothing, and says what is wrong.</summary>
public sealed partial class MessageRoutes : IHostedService, IDisposable
{
    readonly MessageFile _file;
    readonly ILogger<MessageRoutes> _log;
    volatile MessagePlan _plan;
    PosixSignalRegistration? _signal;

    /// <exception cref="MessageRoutesException">The file cannot be used.</exception>
    public MessageRoutes(MessageFile file, ILogger<MessageRoutes> log)
    {
        (_file, _log) = (file, log);
        var (plan, wrong) = Read(file);
        _plan = plan ?? throw new MessageRoutesException(file.Path!, wrong);
    }

    public MessagePlan Plan => _plan;

    static IEnumerable<MessageRoute> Own => Operations.All.Select(o => new MessageRoute(
        o.Url, Operations.Exchange, o.RoutingKey, MessageRoute.Responses, TimeSpan.FromSeconds(o.TimeoutSeconds), TokenRequired: true, Grants.Of(o.Permission is { } needed ? [needed] : []), Dialect.Om, "", TellsTenant: true));

    public static (MessagePlan? Plan, IReadOnlyList<string> Problems) Read(MessageFile file)
    {
        if (file.Path is null) return (new(Own.ToDictionary(r => r.Url), MessageLimits.Default), []);
        try
        {
            var (plan, wrong) = MessageConfiguration.Read(File.ReadAllBytes(file.Path), Own);
            return file.InMemory && plan?.Routes.Count > Operations.All.Count ? (null, ["Microservices are reached over a broker: give --broker amqp://..., or write no routes."]) : (plan, wrong);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return (null, [$"The file cannot be read: {e.Message}"]);
        }
    }

    public bool Reload()
    {
        var (plan, wrong) = Read(_file);
        if (plan is not null)
        {
            _plan = plan;
            Reloaded(plan.Routes.Count);
            return true;
        }

        Kept(_file.Path, string.Join(' ', wrong));
        return false;
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (_file.Path is not null && !OperatingSystem.IsWindows())
            _signal = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
            {
                signal.Cancel = true;
                Reload();
            });
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _signal?.Dispose();

    [LoggerMessage(Level = LogLevel.Information, Message = "The message routes were read again: {Count} are served.")]
    partial void Reloaded(int count);

    [LoggerMessage(Level = LogLevel.Error, Message = "The message routes in {Path} cannot be used; those of before stay. {Problems}")]
    partial void Kept(string? path, string problems);
}

/// <summary>Routes that nothing can be served with.</summary>
public sealed class MessageRoutesException(string path, IReadOnlyList<string> problems) : Exception($"The message routes in {path} cannot be used:\n{string.Join('\n', problems.Select(p => "  " + p))}")
{
    public IReadOnlyList<string> Problems => problems;
}
