//! What a directory's policy says of a password becomes a 400 and a sentence without the password,
//! whether a resource is made or changed.

use serde_json::json;

use crate::app::App;
use crate::place::{Kind, Place, on_every_server};

on_every_server! {
    a_password_that_the_policy_refuses_is_a_400
}

async fn a_password_that_the_policy_refuses_is_a_400(place: Place) {
    let app = App::start(&place, "passwords").await;
    // The name is in the password: 389 DS looks for words of the entry, Samba for the account's.
    let refused: &[(&str, &str)] = match place.kind {
        Kind::Slapd => &[("Sh0rt", "policy")],
        Kind::Ds389 => &[("Sh0rt", "too short"), ("wordsmith-1", "like")],
        Kind::Samba => &[("Sh0rt", "too short"), ("onlysmallletters", "policy")],
    };
    let mut user = app.user("wordsmith");
    for (password, told) in refused {
        user["password"] = json!(password);
        let answer = app.make(&user).await;
        let detail = answer.expect_error(400, Some("invalidValue"));
        assert!(
            detail.contains("password") && detail.contains(told),
            "{detail}"
        );
        assert!(!detail.contains(password), "{detail}");
    }
    assert!(
        app.found("sn", "wordsmith").await.is_empty(),
        "nothing is left of it"
    );
    user["password"] = json!("First-Secret-1");
    let id = app.make(&user).await.expect(201).id();
    let set = |password: &str| json!([{"op": "replace", "path": "password", "value": password}]);
    for (password, told) in refused {
        let answer = app.patch_user(&id, set(password)).await;
        let detail = answer.expect_error(400, Some("invalidValue"));
        assert!(
            detail.contains(told) && !detail.contains(password),
            "{detail}"
        );
    }
    app.patch_user(&id, set("Second-Secret-2"))
        .await
        .expect(200);
    for old in ["First-Secret-1", "Second-Secret-2"] {
        let answer = app.patch_user(&id, set(old)).await;
        let is_present = old.starts_with("Second");
        if place.kind == Kind::Samba || place.kind == Kind::Slapd && is_present {
            // Who resets a password of Active Directory is not held to the history; slapd is asked
            // whether it is the one that is set already.
            answer.expect(200);
        } else {
            let detail = answer.expect_error(400, Some("invalidValue"));
            assert!(detail.contains("used before"), "{detail}");
        }
    }
    app.patch_user(&id, set("Third-Secret-3")).await.expect(200);
    let said = app.log();
    for secret in ["Sh0rt", "wordsmith-1", "-Secret-"] {
        assert!(!said.contains(secret));
    }
}
