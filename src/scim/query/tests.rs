//! Queries read, refused and written.

use serde_json::{Value, json};

use super::*;
use crate::scim::accent::Accent;
use crate::scim::error::ScimType;
use crate::scim::message::SEARCH_REQUEST;
use crate::scim::schema::{ENTERPRISE_USER, USER, user};

fn read(text: &str) -> Result<(Query, Projection), ScimError> {
    Query::from_query_string(text, &user(), &mut Accents::accepted())
}

fn search(body: Value) -> Result<(Query, Projection), ScimError> {
    Query::from_search(body, &user(), &mut Accents::accepted())
}

fn paths(texts: &[&str]) -> Vec<AttrPath> {
    let user = user();
    let path = |text: &&str| crate::scim::parse::attr_path(text, &user).unwrap();
    texts.iter().map(path).collect()
}

#[test]
fn nothing_asked_is_the_default() {
    let all = (Query::default(), Projection::All);
    for text in [
        "",
        "&",
        "attributes=",
        "attributes=,&excludedAttributes=",
        "sortBy=&sortOrder=",
    ] {
        assert_eq!(read(text), Ok(all.clone()), "{text}");
    }
}

#[test]
fn every_parameter_is_read_in_any_case() {
    let (query, projection) = read(
        "FILTER=userName+eq+%22a%22&sortby=name.familyName&sortOrder=DESCENDING&startindex=11\
         &Count=5&attributes=userName,%20emails.value",
    )
    .unwrap();
    assert_eq!(query.filter.unwrap().to_string(), "userName eq \"a\"");
    assert_eq!(query.sort_by.unwrap().to_string(), "name.familyName");
    assert_eq!(query.sort_order, SortOrder::Descending);
    assert_eq!((query.start_index, query.count), (Some(11), Some(5)));
    assert_eq!(
        projection,
        Projection::Only(paths(&["userName", "emails.value"]))
    );
}

#[test]
fn what_entra_and_okta_ask() {
    let mut accents = Accents::accepted();
    let text = "excludedAttributes=members&filter=displayName eq \"G\"&aadOptscim062020";
    let (query, projection) =
        Query::from_query_string(&text.replace(' ', "%20"), &user(), &mut accents).unwrap();
    assert_eq!(query.filter.unwrap().to_string(), "displayName eq \"G\"");
    assert_eq!(projection, Projection::Except(paths(&["members"])));
    assert_eq!(accents.seen(), [Accent::UnknownParameter]);

    let (query, _) = read("filter=userName%20eq%20%22a%40b.c%22&startIndex=1&count=100").unwrap();
    assert_eq!((query.start_index, query.count), (Some(1), Some(100)));
}

#[test]
fn a_cursor_stands_for_itself() {
    let cursor = |text: &str| read(text).map(|(query, _)| query.cursor);
    assert_eq!(cursor("count=5"), Ok(None));
    // The first page.
    assert_eq!(cursor("cursor"), Ok(Some(String::new())));
    assert_eq!(cursor("cursor=&count=5"), Ok(Some(String::new())));
    assert_eq!(cursor("cursor=4f%2D&count=5"), Ok(Some("4f-".to_owned())));
    assert!(cursor("cursor=4f&startIndex=1").is_err());
}

#[test]
fn unknown_parameters_are_ignored_even_where_accents_are_refused() {
    let mut accents = Accents::refused();
    let read = Query::from_query_string("aadOptscim062020=&x=y", &user(), &mut accents);
    assert_eq!(read, Ok((Query::default(), Projection::All)));
    assert!(accents.seen().is_empty());
}

#[test]
fn numbers_are_brought_into_bounds() {
    let page = |text: &str| read(text).map(|(query, _)| (query.start_index, query.count));
    assert_eq!(page("startIndex=0&count=-3"), Ok((Some(1), Some(0))));
    assert_eq!(
        page("startIndex=-99999999999999999999&count=0"),
        Ok((Some(1), Some(0)))
    );
    assert_eq!(
        page("startIndex=99999999999999999999999&count=007"),
        Ok((Some(usize::MAX), Some(7)))
    );
}

#[test]
fn schemas_can_be_selected_whole() {
    let (_, projection) = read(&format!("attributes=userName,{ENTERPRISE_USER}")).unwrap();
    let extension = AttrPath::whole(ENTERPRISE_USER.parse().unwrap());
    let mut wanted = paths(&["userName"]);
    wanted.push(extension);
    assert_eq!(projection, Projection::Only(wanted));

    let (_, projection) = read(&format!("excludedAttributes={USER}")).unwrap();
    let Projection::Except(paths) = projection else {
        panic!("no exclusion")
    };
    assert_eq!(paths.len(), user().base.attributes.len());
}

#[test]
fn what_is_wrong_is_named() {
    for (text, kind, detail) in [
        (
            "count=ten",
            ScimType::InvalidValue,
            "`count` must be an integer",
        ),
        (
            "count=",
            ScimType::InvalidValue,
            "`count` must be an integer",
        ),
        (
            "count=1.0",
            ScimType::InvalidValue,
            "`count` must be an integer",
        ),
        (
            "startIndex=+1",
            ScimType::InvalidValue,
            "`startIndex` must be an integer",
        ),
        (
            "startIndex=--1",
            ScimType::InvalidValue,
            "`startIndex` must be an integer",
        ),
        (
            "count=1&COUNT=1",
            ScimType::InvalidValue,
            "`count` is given more than once",
        ),
        (
            "sortOrder=up",
            ScimType::InvalidValue,
            "`sortOrder` must be `ascending` or `descending`",
        ),
        (
            "attributes=id&excludedAttributes=name",
            ScimType::InvalidValue,
            "`attributes` and `excludedAttributes` cannot be given together",
        ),
        (
            "filter=%zz",
            ScimType::InvalidValue,
            "the query string is not percent-encoded UTF-8 at its character 8",
        ),
        (
            "filter=userName+xx+1",
            ScimType::InvalidFilter,
            "`filter` does not parse at character 10: expected an operator: eq, ne, co, sw, ew, \
             gt, ge, lt, le or pr, found `xx 1`",
        ),
        (
            "filter=",
            ScimType::InvalidFilter,
            "`filter` does not parse at character 1: expected an attribute name, found the end",
        ),
        (
            "sortBy=emails[0]",
            ScimType::InvalidPath,
            "`sortBy` does not parse at character 7: expected the end of the path, found `[0]`",
        ),
        (
            "attributes=name+title",
            ScimType::InvalidPath,
            "`attributes` does not parse at character 6: expected a comma or the end, found \
             `title`",
        ),
    ] {
        assert_eq!(read(text), Err(ScimError::bad(kind, detail)), "{text}");
    }
}

#[test]
fn rfc7644_3_4_3_search_request() {
    let (query, projection) = search(json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "attributes": ["displayName", "userName"],
        "filter": "displayName sw \"smith\"",
        "startIndex": 1,
        "count": 10
    }))
    .unwrap();
    assert_eq!(
        query.filter.unwrap().to_string(),
        "displayName sw \"smith\""
    );
    assert_eq!((query.start_index, query.count), (Some(1), Some(10)));
    assert_eq!(
        projection,
        Projection::Only(paths(&["displayName", "userName"]))
    );
}

#[test]
fn search_requests_that_are_none() {
    for (body, kind, detail) in [
        (
            json!([]),
            ScimType::InvalidSyntax,
            "the body must be a JSON object",
        ),
        (
            json!({"count": 1}),
            ScimType::InvalidSyntax,
            "`schemas` must hold `urn:ietf:params:scim:api:messages:2.0:SearchRequest`",
        ),
        (
            json!({"schemas": [SEARCH_REQUEST], "Count": "1"}),
            ScimType::InvalidValue,
            "`count` must be an integer",
        ),
        (
            json!({"schemas": [SEARCH_REQUEST], "count": 1.5}),
            ScimType::InvalidValue,
            "`count` must be an integer",
        ),
        (
            json!({"schemas": [SEARCH_REQUEST], "attributes": [1]}),
            ScimType::InvalidValue,
            "`attributes` must be an array of strings",
        ),
        (
            json!({"schemas": [SEARCH_REQUEST], "filter": {}}),
            ScimType::InvalidValue,
            "`filter` must be a string",
        ),
    ] {
        assert_eq!(
            search(body.clone()),
            Err(ScimError::bad(kind, detail)),
            "{body}"
        );
    }
    let empty = json!({"schemas": [SEARCH_REQUEST], "filter": null, "x": 1});
    assert_eq!(search(empty), Ok((Query::default(), Projection::All)));
}

#[test]
fn other_requests_take_a_projection_only() {
    let read = |text| projection(text, &user(), &mut Accents::accepted());
    assert_eq!(
        read("attributes=userName&filter=rubbish&count=x"),
        Ok(Projection::Only(paths(&["userName"])))
    );
    assert!(read("attributes=user name").is_err());
}

#[test]
fn what_is_written_is_read_again() {
    for text in [
        "",
        "filter=userName%20eq%20%22a%26b%3D%2B%C3%A9%22",
        "sortBy=name.familyName&sortOrder=descending&startIndex=3&count=0",
        "count=10&attributes=userName,emails.value",
        "excludedAttributes=members",
        "attributes=urn%3Aietf%3Aparams%3Ascim%3Aschemas%3Aextension%3Aenterprise%3A2.0%3AUser",
    ] {
        let (query, projection) = read(text).unwrap();
        assert_eq!(query.to_query_string(&projection), text);
    }
    let nothing = Projection::Only(Vec::new());
    assert_eq!(projection_string(&nothing), "attributes=id");
}
