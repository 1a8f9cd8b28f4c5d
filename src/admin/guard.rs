//! The guards of tenants at the control door: what they have counted, and an operator's leave to
//! do more.

use std::time::{Duration, SystemTime};

use http::{Response, StatusCode};
use serde_json::{Map, Value, json};
use tracing::warn;

use super::control::{Parts, body_text};
use super::entry::Who;
use super::{document, plain};
use crate::auth::instant;
use crate::config::Tenant;
use crate::gateway::State;
use crate::gateway::guard::Release;
use crate::mapping::Harm;
use crate::net::Body;

/// What is asked of a guard.
struct Order {
    tenant: String,
    harms: Vec<Harm>,
    time: Duration,
    most: Option<u64>,
}

impl Parts {
    /// Lets a tenant do more than its guard allows, for a while or so often.
    pub(super) async fn release(&self, body: Body, who: &Who, now: SystemTime) -> Response<Body> {
        let order = match self.order(body).await {
            Ok(order) => order,
            Err(refused) => return refused,
        };
        let Order {
            tenant,
            harms,
            time,
            most,
        } = order;
        let release = Release {
            until: self.state.age() + time,
            ends: now + time,
            left: most,
            by: who.to_string().into(),
        };
        self.state.guards().of(&tenant).release(&harms, &release);
        let (effects, ends) = (words(&harms), instant::format(release.ends));
        warn!(%who, tenant, effects, ends, most, "the guard is released");
        self.released(&tenant)
    }

    /// Ends such a leave.
    pub(super) async fn hold(&self, body: Body, who: &Who) -> Response<Body> {
        let Order { tenant, harms, .. } = match self.order(body).await {
            Ok(order) => order,
            Err(refused) => return refused,
        };
        let guard = self.state.guards().of(&tenant);
        let ended = guard.hold(&harms, self.state.age());
        let effects = words(&harms);
        warn!(%who, tenant, effects, ended, "the guard holds again");
        self.released(&tenant)
    }

    fn released(&self, tenant: &str) -> Response<Body> {
        let releases = releases(&self.state, tenant);
        document(
            StatusCode::OK,
            &json!({"tenant": tenant, "released": releases}),
        )
    }

    async fn order(&self, body: Body) -> Result<Order, Response<Body>> {
        let text = body_text(body).await?;
        let order = Order::read(&text)
            .map_err(|why| plain(StatusCode::BAD_REQUEST, format!("the guard: {why}\n")))?;
        let snapshot = self.live.current();
        let found = snapshot
            .tenants()
            .find(|tenant| tenant.name.as_str() == order.tenant);
        let refuse = |why: &str| plain(StatusCode::CONFLICT, format!("{why}\n"));
        let Some(tenant) = found else {
            return Err(refuse("no tenant of this name is served"));
        };
        let Some(rule) = tenant.plan.guard() else {
            return Err(refuse("the rule of this tenant has no `guard`"));
        };
        let harms = order.harms.iter().copied();
        let harms: Vec<_> = harms.filter(|harm| rule.limit(*harm).is_some()).collect();
        if harms.is_empty() {
            return Err(refuse(
                "the guard of this tenant does not count this effect",
            ));
        }
        Ok(Order { harms, ..order })
    }
}

impl Order {
    fn read(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|_| "this is not JSON".to_owned())?;
        let Value::Object(map) = value else {
            return Err("a JSON object is wanted".to_owned());
        };
        let known = ["tenant", "effect", "seconds", "most"];
        if map.keys().any(|key| !known.contains(&key.as_str())) {
            return Err("known are `tenant`, `effect`, `seconds` and `most`".to_owned());
        }
        let Some(Value::String(tenant)) = map.get("tenant") else {
            return Err("`tenant` names the tenant".to_owned());
        };
        let harms = match map.get("effect") {
            None | Some(Value::Null) => Harm::ALL.to_vec(),
            Some(effect) => {
                let harm = effect.as_str().and_then(Harm::named);
                vec![harm.ok_or("`effect` is `delete`, `disable` or `empty`")?]
            }
        };
        let seconds = number(&map, "seconds")?.unwrap_or(HOUR);
        if !(1..=LONGEST).contains(&seconds) {
            return Err("`seconds` is from 1 to 604800, which is a week".to_owned());
        }
        Ok(Self {
            tenant: tenant.clone(),
            harms,
            time: Duration::from_secs(seconds),
            most: number(&map, "most")?,
        })
    }
}

fn number(map: &Map<String, Value>, key: &str) -> Result<Option<u64>, String> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(format!("`{key}` is a whole number")),
        },
    }
}

/// What `/status` says of the guard of a tenant; null where it has none.
pub(super) fn status(tenant: &Tenant, state: &State) -> Value {
    let Some(rule) = tenant.plan.guard() else {
        return Value::Null;
    };
    let name = tenant.name.as_str();
    let counted = state.guards().of(name).counted(rule.window, state.age());
    let limits = Harm::ALL.into_iter().filter_map(|harm| {
        let limit = rule.limit(harm)?;
        Some(json!({"effect": harm.as_str(), "limit": limit.to_string()}))
    });
    let counts = counted.iter().map(|one| {
        let known = one.known.map(|(count, _)| count);
        let limit = rule.limit(one.harm).and_then(|limit| limit.allows(known));
        json!({
            "effect": one.harm.as_str(),
            "resource": &*one.resource,
            "count": one.count,
            "most": limit,
            "refused": one.refused,
            "known_resources": known,
            "known_age_seconds": one.known.map(|(_, age)| age.as_secs()),
        })
    });
    json!({
        "window_seconds": rule.window.as_secs(),
        "limits": limits.collect::<Value>(),
        "counts": counts.collect::<Value>(),
        "released": releases(state, name),
    })
}

fn releases(state: &State, tenant: &str) -> Value {
    let open = state.guards().of(tenant).releases(state.age());
    let rows = open.iter().map(|(harm, release)| {
        json!({
            "effect": harm.as_str(),
            "ends": instant::format(release.ends),
            "left": release.left,
            "by": &*release.by,
        })
    });
    rows.collect()
}

fn words(harms: &[Harm]) -> String {
    let words: Vec<_> = harms.iter().map(|harm| harm.as_str()).collect();
    words.join(", ")
}

const HOUR: u64 = 3_600;
const LONGEST: u64 = 7 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_strictly() {
        let order = Order::read(r#"{"tenant": "corp"}"#).unwrap();
        assert_eq!(order.harms, Harm::ALL);
        assert_eq!((order.time.as_secs(), order.most), (HOUR, None));
        let text = r#"{"tenant": "corp", "effect": "empty", "seconds": 60, "most": 5}"#;
        let order = Order::read(text).unwrap();
        assert_eq!(order.harms, [Harm::Empty]);
        assert_eq!((order.time.as_secs(), order.most), (60, Some(5)));
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"tenant": 1}"#,
            r#"{"tenant": "corp", "effect": "deletes"}"#,
            r#"{"tenant": "corp", "seconds": 0}"#,
            r#"{"tenant": "corp", "seconds": 604801}"#,
            r#"{"tenant": "corp", "seconds": -1}"#,
            r#"{"tenant": "corp", "most": 1.5}"#,
            r#"{"tenant": "corp", "for": 5}"#,
        ] {
            assert!(Order::read(bad).is_err(), "{bad}");
        }
    }
}
