using MassTransit;

namespace FlatRender.EventStore;

/// <summary>The three things a step may do beyond changing state. All are rows of the saga's own unit of work.</summary>
public static class Steps
{
    /// <summary>Appends a fact to the stream and applies it to the memory.</summary>
    public static EventActivityBinder<TSaga, T> Record<TSaga, T>(this EventActivityBinder<TSaga, T> step, Func<BehaviorContext<TSaga, T>, object> fact)
        where TSaga : StreamedSaga where T : class =>
        step.Then(x => Unit(x).Record(x.Saga, fact(x)));

    /// <summary>Sends a command once the unit has committed.</summary>
    public static EventActivityBinder<TSaga, T> Ask<TSaga, T>(this EventActivityBinder<TSaga, T> step, Func<BehaviorContext<TSaga, T>, object> command)
        where TSaga : StreamedSaga where T : class =>
        step.Then(x => Unit(x).Ask(command(x)));

    /// <summary>Sends a reminder when <paramref name="after"/> has passed; the reminder is given its due time.</summary>
    public static EventActivityBinder<TSaga, T> Remind<TSaga, T>(this EventActivityBinder<TSaga, T> step, TimeSpan after, Func<BehaviorContext<TSaga, T>, DateTimeOffset, object> reminder)
        where TSaga : StreamedSaga where T : class =>
        step.Then(x =>
        {
            var due = x.Now() + after;
            Unit(x).Remind(due, reminder(x, due));
        });

    /// <summary>The unit's clock, read once when the unit began.</summary>
    public static DateTimeOffset Now<TSaga, T>(this BehaviorContext<TSaga, T> x) where TSaga : StreamedSaga where T : class => Unit(x).Now;

    static UnitOfWork Unit(PipeContext x) => x.GetPayload<UnitOfWork>();
}
