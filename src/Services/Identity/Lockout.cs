using FlatRender.Foundation;
using Npgsql;

namespace FlatRender.Identity;

/// <summary>Whoever guesses passwords has to wait, address by address.</summary>
public sealed class Lockout(NpgsqlDataSource database, IdentitySettings settings, TimeProvider clock)
{
    /// <returns>Until when the address is locked; null: it is not.</returns>
    public async Task<DateTimeOffset?> LockedAsync(string email, CancellationToken cancel) => (await database.QueryAsync(
        "SELECT locked_until FROM identity.sign_in_failures WHERE email = $1 AND locked_until > $2", row => (DateTimeOffset?)row.GetFieldValue<DateTimeOffset>(0), cancel, email, clock.GetUtcNow())).SingleOrDefault();

    /// <returns>Until when it is locked now, where this failure was one too many.</returns>
    public async Task<DateTimeOffset?> FailedAsync(string email, CancellationToken cancel)
    {
        var until = clock.GetUtcNow() + settings.Lock;
        return (await database.QueryAsync("""
            INSERT INTO identity.sign_in_failures AS f (email, failures) VALUES ($1, 1)
            ON CONFLICT (email) DO UPDATE SET
                failures = CASE WHEN f.failures + 1 >= $2 THEN 0 ELSE f.failures + 1 END,
                locked_until = CASE WHEN f.failures + 1 >= $2 THEN $3 ELSE f.locked_until END
            RETURNING CASE WHEN failures = 0 THEN locked_until END
            """, row => row.Moment(0), cancel, email, settings.FailuresBeforeLock, until)).Single();
    }

    public Task ForgetAsync(string email, CancellationToken cancel) => database.RunAsync("DELETE FROM identity.sign_in_failures WHERE email = $1", cancel, email);
}
