//! Clients that sign with RSA, and those who pretend to.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_RSA_SHA256};

use super::{CLIENTS, Issuing, asserts, error};

/// A public key of 1024 bits.
const SHORT: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCrZ/apOnW7U9Kw2Vzd34zFspRb
ctbgYu1/zcGW7Io7/QX3RzMobKrYZUh+88Uo+jwA8pccKWaORWCi8Mz8OUIdUwFO
GGgjgFQBYzIxDbTDedEHltsHNYSS8Vlvb/WD0vFslqTanCcu9mmKkQZHqZdgEbHF
/Jduh7i0ZVT6ngSUyQIDAQAB
-----END PUBLIC KEY-----
";

#[tokio::test]
async fn a_client_may_sign_with_rsa_and_nobody_else_in_its_name() {
    let it = Issuing::start().await;
    let pair = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let other = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    // The key itself stands within PKCS #8, behind 26 bytes.
    let private = |pair: &KeyPair| EncodingKey::from_rsa_der(&pair.serialize_der()[26..]);
    it.write("job.pem", &pair.public_key_pem());
    it.access(CLIENTS, "{file: ours.pem}").await;
    let signed = |number: &str, algorithm, key: &EncodingKey| {
        encode(&Header::new(algorithm), &asserts(number), key).unwrap()
    };
    for algorithm in [Algorithm::RS256, Algorithm::PS256] {
        let assertion = signed(&format!("{algorithm:?}"), algorithm, &private(&pair));
        let answer = it.by_assertion(&assertion).await.expect(200).json();
        let token = answer["access_token"].as_str().unwrap();
        it.read_with(token).await.expect(200);
        assert_eq!(
            error(it.by_assertion(&assertion).await, 401),
            "invalid_client"
        );
    }

    let good = signed("good", Algorithm::RS256, &private(&pair));
    let (head, rest) = good.split_once('.').unwrap();
    let named = |name: &str| {
        let head = jsonwebtoken::decode_header(&good).unwrap();
        let head = serde_json::to_string(&head).unwrap();
        let head = head.replace("RS256", name);
        crate::support::issuer::encode(head.as_bytes())
    };
    assert_eq!(named("RS256"), head);
    let public = pair.public_key_pem();
    let confused = EncodingKey::from_secret(public.as_bytes());
    for wrong in [
        signed("1", Algorithm::RS256, &private(&other)),
        signed("2", Algorithm::RS512, &private(&pair)),
        signed("3", Algorithm::PS384, &private(&pair)),
        signed("4", Algorithm::HS256, &confused),
        it.assertion("5"),
        format!("{}.{rest}", named("PS256")),
        format!("{}.{rest}", named("none")),
        format!("{}.{rest}", named("rs256")),
        format!("{head}.{}.", rest.split_once('.').unwrap().0),
    ] {
        let code = error(it.by_assertion(&wrong).await, 401);
        assert_eq!(code, "invalid_client", "{wrong}");
    }
    // None of them has used up the number of the good one.
    it.by_assertion(&good).await.expect(200);
}

#[tokio::test]
async fn a_short_key_is_not_taken() {
    let it = Issuing::start().await;
    it.write("job.pem", SHORT);
    let errors = it.tries(CLIENTS, "{file: ours.pem}").await;
    assert!(errors.contains("RSA from 2048 bits"), "{errors}");
    // What held before, holds.
    it.by_assertion(&it.assertion("1")).await.expect(200);
}
