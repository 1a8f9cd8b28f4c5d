//! How many operations of LDAP a request takes.

use serde_json::json;

use crate::app::App;
use crate::place::{Kind, Place};
use crate::relay::Relay;

#[tokio::test]
async fn a_write_takes_as_few_operations_as_can_be() {
    for kind in [Kind::Slapd, Kind::Ds389] {
        if let Some(place) = kind.place() {
            counted(place).await;
        }
    }
}

async fn counted(place: Place) {
    let server = place.text("url").trim_start_matches("ldap://").to_owned();
    let relay = Relay::new(&server).await;
    let url = relay.url();
    let app = App::with(&place, "app count", |rule| {
        let tls = rule.lines().find(|line| line.contains("urls:")).unwrap();
        rule.replace(tls, &format!("    urls: [{url}]"))
            .replace("uniqueness: postern", "uniqueness: directory")
            // A counter is read and written for each new entry.
            .replace("- {target: uidNumber", "# ")
            .replace("- {target: gidNumber", "# ")
            .replace("- {target: homeDirectory", "# ")
    })
    .await;
    // The groups of somebody are another question, where the server does not know.
    let short = "?excludedAttributes=groups";
    let boss = app.made("boss").await;
    // At first the rule is compared with the directory, beside what clients ask.
    let mut quiet = 0;
    while quiet < 5 {
        relay.take();
        let path = format!("/Users/{boss}{short}");
        app.client.get(&path).await.expect(200);
        let alone = relay.words() == ["search"];
        quiet = if alone { quiet + 1 } else { 0 };
    }
    let mut asked = Vec::new();
    relay.take();
    let mut user = app.user("counted");
    let made = app.client.post(&format!("/Users{short}"), &user).await;
    let id = made.expect(201).id();
    asked.push(("create a user", relay.words()));
    let path = format!("/Users/{id}{short}");
    app.client.get(&path).await.expect(200);
    asked.push(("read a user", relay.words()));
    let title = json!([{"op": "replace", "path": "title", "value": "T"}]);
    app.client.patch(&path, &title).await.expect(200);
    asked.push(("patch a user", relay.words()));
    user["userName"] = json!("renamed");
    app.client
        .patch(
            &path,
            &json!([{"op": "replace", "path": "userName", "value": "renamed"}]),
        )
        .await
        .expect(200);
    asked.push(("rename a user", relay.words()));
    let group = app.group("counted", &[&boss]).await;
    asked.push(("create a group of one", relay.words()));
    let member = json!([{"op": "add", "path": "members", "value": [{"value": id}]}]);
    app.client
        .patch(&format!("/Groups/{group}"), &member)
        .await
        .expect(204);
    asked.push(("add a member", relay.words()));
    let member = json!([{"op": "remove", "path": format!("members[value eq \"{id}\"]")}]);
    app.client
        .patch(&format!("/Groups/{group}"), &member)
        .await
        .expect(204);
    asked.push(("remove a member", relay.words()));
    app.client.delete(&format!("/Users/{id}")).await.expect(204);
    asked.push(("delete a user", relay.words()));
    for (what, operations) in &asked {
        println!("{:?}: {what}: {}", app.kind, operations.join(", "));
    }
    let of = |what: &str| {
        let found = asked.iter().find(|(name, _)| *name == what);
        found.unwrap().1.join(" ")
    };
    assert_eq!(of("create a user"), "add");
    assert_eq!(of("patch a user"), "search modify");
    assert_eq!(of("rename a user"), "search rename search");
    assert_eq!(of("delete a user"), "search delete");
    assert_eq!(of("read a user"), "search");
    // Who it is, which group that is, and the change.
    for what in ["create a group of one", "add a member", "remove a member"] {
        let count = of(what).split(' ').count();
        assert!(count <= 3, "{what}: {}", of(what));
    }
}
