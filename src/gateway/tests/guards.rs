//! Writes that must see the present resource, while others write it too.

use std::sync::atomic::Ordering;

use super::*;

fn anna() -> Value {
    json!({"userName": "anna", "title": "Clerk"})
}

async fn promote(world: &World) -> Answered {
    let body = patch("replace", "title", &"Boss".into());
    world.ask(Method::PATCH, "/Users/1", body).await
}

/// Somebody who sets `nickName` before the reads of these numbers.
fn at(numbers: &'static [usize]) -> impl Fn(usize, &mut Map<String, Value>) + Send + Sync {
    move |number, record| {
        if numbers.contains(&number) {
            record.insert("nickName".to_owned(), format!("n{number}").into());
        }
    }
}

#[tokio::test]
async fn what_others_wrote_is_kept_by_the_version() {
    // The first read is before, the second is by somebody's write: our replace must fail.
    let fake = Fake::new()
        .versioned()
        .with(anna())
        .meddled(|number, record| {
            if number == 1 {
                record.insert("nickName".to_owned(), "Anni".into());
            }
        });
    let world = World::new(fake);
    let got = promote(&world).await;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(world.fake.record("1")["title"], "Boss");
}

#[tokio::test]
async fn a_lost_race_by_version_is_run_again_and_keeps_both() {
    let world = World::new(Fake::new().versioned().with(anna()));
    // Our first write waits; meanwhile somebody else writes directly.
    world.fake.slow.store(true, Ordering::SeqCst);
    let racing = {
        let gateway = Arc::clone(&world.gateway);
        let body = patch("replace", "title", &"Boss".into());
        let request = request(Method::PATCH, "/corp/v2/Users/1", &body);
        let address = ([127, 0, 0, 1], 1).into();
        tokio::spawn(async move { gateway.handle(request, Peer::direct(address)).await })
    };
    while world.gateway.state.writes() == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    let Value::Object(other) = json!({"userName": "anna", "title": "Clerk", "nickName": "Anni"})
    else {
        unreachable!()
    };
    world.fake.replace("1", other, None).unwrap();
    world.fake.slow.store(false, Ordering::SeqCst);
    world.fake.go.notify_one();
    let got = Answered::of(racing.await.unwrap());
    assert_eq!(got.status, 200, "{got:?}");
    let record = world.fake.record("1");
    assert_eq!(
        (&record["title"], &record["nickName"]),
        (&json!("Boss"), &json!("Anni"))
    );
    assert!(world.counts("postern_write_conflicts_total{tenant=\"corp\"} 1"));
}

#[tokio::test]
async fn without_versions_a_second_look_keeps_both() {
    let world = World::new(Fake::new().with(anna()).meddled(at(&[1])));
    let got = promote(&world).await;
    assert_eq!(got.status, 200, "{got:?}");
    let record = world.fake.record("1");
    assert_eq!(
        (&record["title"], &record["nickName"]),
        (&json!("Boss"), &json!("n1"))
    );
    assert!(world.counts("postern_unguarded_writes_total{tenant=\"corp\"} 1"));
    assert!(world.counts("postern_write_conflicts_total{tenant=\"corp\"} 1"));
    assert_eq!(world.fake.writes(), 1);
}

#[tokio::test]
async fn endless_meddling_is_given_up_and_nothing_is_sent() {
    let world = World::new(Fake::new().with(anna()).meddled(|number, record| {
        record.insert("nickName".to_owned(), number.into());
    }));
    let got = promote(&world).await;
    assert_eq!(got.status, 503, "{got:?}");
    assert_eq!(got.header("retry-after"), "1");
    assert_eq!(world.fake.writes(), 0);
}

#[tokio::test]
async fn the_rule_may_refuse_the_second_look_for_patch_but_not_for_put() {
    let world = World::limited(Fake::new().with(anna()), Limits::default(), false);
    assert_eq!(promote(&world).await.status, 501);
    assert_eq!(world.fake.writes(), 0);
    let put = world.ask(Method::PUT, "/Users/1", user("anna2")).await;
    assert_eq!(put.status, 200, "{put:?}");
}

#[tokio::test]
async fn the_clients_own_version_is_the_clients_to_resolve() {
    let world = World::new(Fake::new().versioned().with(anna()));
    let body = patch("replace", "title", &"Boss".into());
    for (tag, wanted) in [("\"99\"", 412), ("\"1\"", 200)] {
        let mut request = request(Method::PATCH, "/corp/v2/Users/1", &body);
        request
            .headers_mut()
            .insert("if-match", tag.parse().unwrap());
        let got = world.send(request).await;
        assert_eq!(got.status, wanted, "{got:?}");
    }
    assert!(!world.counts("postern_write_conflicts_total{tenant=\"corp\"} 1"));
}

#[tokio::test]
async fn a_hang_up_never_stops_a_write_and_the_drain_waits_for_it() {
    let world = World::new(Fake::new());
    world.fake.slow.store(true, Ordering::SeqCst);
    let address = ([127, 0, 0, 1], 1).into();
    let mut asked = Box::pin(world.gateway.handle(
        request(Method::POST, "/corp/v2/Users", &user("anna")),
        Peer::direct(address),
    ));
    tokio::select! {
        biased;
        _ = &mut asked => panic!("answered too early"),
        () = tokio::task::yield_now() => {}
    }
    drop(asked);
    assert_eq!(world.gateway.state.writes(), 1);
    let state = Arc::clone(&world.gateway.state);
    let drained = tokio::spawn(async move { state.writes_idle().await });
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert!(!drained.is_finished());
    assert_eq!(
        world.gateway.state.free_places(),
        1023,
        "the task keeps its place"
    );
    world.fake.go.notify_one();
    drained.await.unwrap();
    assert_eq!(world.fake.record("1")["userName"], "anna");
    assert_eq!(world.gateway.state.free_places(), 1024);
}

#[tokio::test]
async fn members_that_are_added_in_parallel_all_arrive() {
    for fake in [Fake::new(), Fake::new().versioned()] {
        let world = Arc::new(World::new(fake.with(json!({"displayName": "all"}))));
        let tasks: Vec<_> = (0..20)
            .map(|number| {
                let world = Arc::clone(&world);
                let value = json!([{"value": format!("m{number}")}]);
                tokio::spawn(async move {
                    let body = patch("add", "members", &value);
                    world.ask(Method::PATCH, "/Groups/1", body).await.status
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), 204);
        }
        let members = world.fake.record("1")["members"].as_array().unwrap().len();
        assert_eq!(members, 20);
    }
}

#[tokio::test]
async fn answers_of_writes() {
    let world = World::new(Fake::new().with(anna()).with(json!({"displayName": "all"})));
    world.fake.silent.store(true, Ordering::SeqCst);
    // A user comes back whole though the directory says nothing.
    let got = promote(&world).await;
    assert_eq!((got.status, &got.body["title"]), (200, &json!("Boss")));
    let got = world.ask(Method::PUT, "/Users/1", user("bea")).await;
    assert_eq!((got.status, &got.body["userName"]), (200, &json!("bea")));
    // A group does not, unless attributes are named.
    let body = patch("replace", "displayName", &"some".into());
    let got = world.ask(Method::PATCH, "/Groups/2", body).await;
    assert_eq!((got.status, &got.body), (204, &Value::Null));
    let body = patch("replace", "displayName", &"few".into());
    let got = world
        .ask(Method::PATCH, "/Groups/2?attributes=displayName", body)
        .await;
    assert_eq!((got.status, &got.body["displayName"]), (200, &json!("few")));
    // What changes nothing is not sent.
    let before = world.fake.writes();
    let body = patch("replace", "displayName", &"few".into());
    let got = world.ask(Method::PATCH, "/Groups/2", body).await;
    assert_eq!((got.status, world.fake.writes()), (204, before));
}
