//! Signed assertions of clients, good ones and forged ones.

use super::*;

#[test]
fn an_assertion_is_signed_by_the_client_for_us_and_taken_once() {
    use Rejection::*;
    let world = World::new();
    let auth = world.usual();
    let replays = Replays::default();
    let end = at(NOW).duration_since(UNIX_EPOCH).unwrap().as_secs() + 60;
    let claims = json!({"iss": "okta-job", "sub": "okta-job", "exp": end, "jti": "1",
        "aud": format!("{ISSUER}/oauth2/token")});
    let header = json!({"alg": "ES256", "kid": "whatever"});
    let show = |text: &str, id: Option<&str>| {
        let proof = Proof::Assertion { text, id };
        let known = auth.client(proof, HERE, &replays, at(NOW)).unwrap();
        known.map(|known| known.caller().key.to_string())
    };
    let signed = |header: &Value, claims: &Value| forge(&world.job, header, claims);
    let good = signed(&header, &claims);
    let rejected = |why| Err(Refused::Client(AuthError::Rejected(why)));
    for (what, text, why) in [
        ("another key", forge(&world.ours, &header, &claims), Forged),
        (
            "none",
            signed(&with(&header, "alg", "none".into()), &claims),
            Forged,
        ),
        (
            "a symmetric one",
            signed(&with(&header, "alg", "HS256".into()), &claims),
            Forged,
        ),
        (
            "one that is not allowed",
            signed(&with(&header, "alg", "ES384".into()), &claims),
            Forged,
        ),
        (
            "crit",
            signed(&with(&header, "crit", json!(["x"])), &claims),
            Forged,
        ),
        (
            "an access token",
            signed(&with(&header, "typ", "at+jwt".into()), &claims),
            Claims,
        ),
        (
            "another subject",
            signed(&header, &with(&claims, "sub", "x".into())),
            Claims,
        ),
        (
            "no subject",
            signed(&header, &without(&claims, "sub")),
            Claims,
        ),
        (
            "somebody else",
            {
                let claims = with(&with(&claims, "iss", "x".into()), "sub", "x".into());
                signed(&header, &claims)
            },
            Unknown,
        ),
        (
            "a client with a secret",
            {
                let name = "okta-prod";
                let claims = with(&with(&claims, "iss", name.into()), "sub", name.into());
                signed(&header, &claims)
            },
            Forged,
        ),
        (
            "another audience",
            signed(&header, &with(&claims, "aud", "https://x".into())),
            Audience,
        ),
        (
            "no audience",
            signed(&header, &without(&claims, "aud")),
            Audience,
        ),
        ("no end", signed(&header, &without(&claims, "exp")), Claims),
        (
            "over",
            signed(&header, &with(&claims, "exp", (end - 91).into())),
            Expired,
        ),
        (
            "too far ahead",
            signed(&header, &with(&claims, "exp", (end + 571).into())),
            Claims,
        ),
        (
            "of later",
            signed(&header, &with(&claims, "nbf", (end - 29).into())),
            NotYet,
        ),
        (
            "no number",
            signed(&header, &without(&claims, "jti")),
            Claims,
        ),
        (
            "an empty number",
            signed(&header, &with(&claims, "jti", "".into())),
            Claims,
        ),
        ("no token at all", "abc".to_owned(), Forged),
    ] {
        assert_eq!(show(&text, None), rejected(why), "{what}");
    }
    assert_eq!(show(&good, Some("okta-prod")), rejected(Claims));
    assert_eq!(show(&good, Some("okta-job")), Ok("okta-job".to_owned()));
    assert_eq!(show(&good, None), rejected(Forged), "a second time");
    let next = with(&claims, "jti", "2".into());
    let next = with(&next, "aud", json!(["https://x", ISSUER]));
    assert_eq!(
        show(&signed(&header, &next), None),
        Ok("okta-job".to_owned())
    );
}
