//! Whatever is wrong at the token endpoint is said in the words of OAuth: its clients read no others.

use http::Method;

use super::{FORM, Issuing, SECRET, anonymous, error};

#[tokio::test]
async fn whatever_is_wrong_is_said_in_the_words_of_oauth() {
    let it = Issuing::start().await;
    let known = format!("grant_type=client_credentials&client_id=okta-prod&client_secret={SECRET}");
    for client in [anonymous(&it.client), anonymous(&it.client).http2()] {
        let post = async |headers: &[(&str, &str)], body: &str| {
            let headers = [&[FORM], headers].concat();
            let path = "/oauth2/token";
            client
                .send(Method::POST, path, &headers, body.to_owned())
                .await
        };
        post(&[], &known).await.expect(200);
        for (method, status) in [
            (Method::GET, 405),
            (Method::PUT, 405),
            (Method::DELETE, 405),
            (Method::OPTIONS, 405),
        ] {
            let answer = client.send(method, "/oauth2/token", &[], "").await;
            assert_eq!(answer.headers["allow"], "POST");
            assert_eq!(answer.headers.get("access-control-allow-origin"), None);
            assert_eq!(error(answer, status), "invalid_request");
        }
        let long = format!("{known}&x={}", "x".repeat(8 * 1024));
        assert_eq!(error(post(&[], &long).await, 413), "invalid_request");
        let coded = [("content-encoding", "gzip")];
        assert_eq!(error(post(&coded, &known).await, 415), "invalid_request");
        let twice = [
            ("authorization", "Basic YTpi"),
            ("authorization", "Basic YTpj"),
        ];
        let answer = post(&twice, "grant_type=client_credentials").await;
        assert_eq!(answer.headers.get("www-authenticate"), None);
        assert_eq!(error(answer, 400), "invalid_request");
        let mut elsewhere = client.clone();
        elsewhere.host = "other.example".to_owned();
        let answer = elsewhere.send(Method::POST, "/oauth2/token", &[FORM], known.clone());
        assert_eq!(error(answer.await, 421), "invalid_request");
    }
    // Until the address is throttled; and who knows a secret is not.
    let wrong = known.replace(SECRET, "wrong");
    let mut failed = 0;
    let answer = loop {
        let answer = it.post(&[], &wrong).await;
        if answer.status != 401 {
            break answer;
        }
        failed += 1;
        assert!(failed < 1_000, "never throttled");
    };
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(error(answer, 429), "temporarily_unavailable");
    it.post(&[], &known).await.expect(200);
}
