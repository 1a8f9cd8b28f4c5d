"""What a shipped rule promises, asked of a directory through postern, verb by verb: each function
here is one check, and what it says is looked up in the directory itself."""

import itertools

from scim import ENTERPRISE, GROUP, USER, Scim

COUNT = itertools.count(1)


class Peer:
    """One directory behind one postern."""

    def __init__(self, name, entries, door):
        self.name, self.entries, self.door = name, entries, door
        self.scim = Scim(door)
        self.ad = name == "samba"
        # The shipped rule for Active Directory wants the domain of the company.
        self.domain = "@example.com" if self.ad else ""
        self.login = "userPrincipalName" if self.ad else "uid"
        self.made = []

    def user(self, **more):
        """A user's document, unlike every other."""
        n = next(COUNT)
        return {
            "schemas": [USER, ENTERPRISE],
            "userName": f"peer{n}{self.domain}",
            "name": {"givenName": "Ada", "familyName": f"Peer{n}"},
            "active": True,
        } | more

    def make(self, **more):
        """Makes one, and forgets it not."""
        made = self.scim.post("/Users", self.user(**more)).is_(201)
        self.made.append(f"/Users/{made['id']}")
        return made

    def group(self, *members, **more):
        body = {
            "schemas": [GROUP],
            "displayName": f"group {next(COUNT)}",
            "members": [{"value": member["id"]} for member in members],
        } | more
        made = self.scim.post("/Groups", body).is_(201)
        self.made.append(f"/Groups/{made['id']}")
        return made

    def entry(self, user):
        """A user's entry."""
        name = user["userName"]
        if self.ad:
            name = name.replace("@example.com", "@corp.example.com")
        return self.entries.one(f"({self.login}={name})")

    def group_entry(self, group):
        return self.entries.one(f"(&(cn={group['displayName']})(member=*))")

    def members(self, group):
        found = self.scim.get(f"/Groups/{group['id']}").is_(200)
        return sorted(member["value"] for member in found.get("members") or [])

    def clean(self):
        """Takes away what the last check made."""
        for path in reversed(self.made):
            self.scim.delete(path)
        self.made.clear()


FULL = {
    "displayName": "Ada of the Peers",
    "title": "Engineer, senior",
    "userType": "Employee",
    "externalId": "ext-1",
    "emails": [{"type": "work", "value": "ada@example.com", "primary": True}],
    "phoneNumbers": [
        {"type": "work", "value": "+44 20 7946 0000"},
        {"type": "mobile", "value": "+44 7700 900000"},
    ],
}


def a_user_is_made_and_comes_back_as_sent(peer):
    made = peer.make(**FULL)
    assert made.headers["Location"] == made["meta"]["location"], made.headers
    read = peer.scim.get(f"/Users/{made['id']}").is_(200)
    assert read.json == made.json, f"{read} after {made}"
    for name, value in FULL.items():
        assert read[name] == value, f"{name}: {read[name]}"
    assert read["active"] is True and read["meta"]["created"], read
    entry = peer.entry(made)
    key = {"slapd": "entryuuid", "389ds": "nsuniqueid"}.get(peer.name)
    assert key is None or entry[key] == [made["id"]], entry
    assert entry["title"] == ["Engineer, senior"] and entry["sn"], entry


def a_user_name_that_is_taken_is_a_conflict(peer):
    made = peer.make()
    peer.scim.post("/Users", peer.user(userName=made["userName"])).is_(409, "uniqueness")
    shouted = made["userName"].split("@")[0].upper() + peer.domain
    peer.scim.post("/Users", peer.user(userName=shouted)).is_(409, "uniqueness")


def filters_find_who_is_meant(peer):
    one, other = peer.make(**FULL), peer.make(active=False, externalId="ext-2")
    ids, name = peer.scim.ids, one["userName"]
    assert ids("Users", f'userName eq "{name}"') == [one["id"]]
    assert ids("Users", f'userName eq "{name.upper()}"' if not peer.ad else f'userName eq "{name}"') == [one["id"]]
    assert ids("Users", 'externalId eq "ext-2"') == [other["id"]]
    assert ids("Users", 'emails[type eq "work"].value eq "ada@example.com"') == [one["id"]]
    assert ids("Users", 'emails.value eq "ada@example.com"') == [one["id"]]
    assert ids("Users", 'title sw "Engineer, s"') == [one["id"]]
    assert ids("Users", 'title co "*"') == []
    assert ids("Users", 'userName eq "*"') == []
    assert ids("Users", f'id eq "{one["id"]}"') == [one["id"]]
    assert ids("Users", 'userName eq "*)(objectClass=*"') == []
    assert other["id"] in ids("Users", "active eq false")
    assert one["id"] not in ids("Users", "active eq false")
    assert one["id"] in ids("Users", "active eq true and title pr")
    assert ids("Users", 'externalId eq "ext-1" and not (active eq true)') == []
    peer.scim.get("/Users", filter='password eq "x"').is_(400, "invalidFilter")
    peer.scim.get("/Users", filter="userName eq").is_(400, "invalidFilter")


def a_list_is_walked_page_by_page(peer):
    made = sorted(peer.make()["id"] for _ in range(7))
    found, start = [], 1
    while True:
        page = peer.scim.get("/Users", startIndex=start, count=3).is_(200)
        ids = [one["id"] for one in page.get("Resources") or []]
        assert len(ids) <= 3 and page["totalResults"] >= 7, page
        found += ids
        start += len(ids)
        if start > page["totalResults"]:
            break
        assert ids, page
    assert len(found) == len(set(found)) and set(made) <= set(found), (made, found)
    none = peer.scim.get("/Users", count=0).is_(200)
    assert none["totalResults"] == len(found) and not none.get("Resources"), none


def a_patch_changes_what_it_names(peer):
    made = peer.make(**FULL)
    path = f"/Users/{made['id']}"
    changed = peer.scim.patch(
        path, ("replace", "title", "Chief"), ("Add", "name.givenName", "Grace"),
        ("remove", "displayName"), ("replace", 'phoneNumbers[type eq "work"].value', "1234"),
    ).is_(200)  # fmt: skip
    assert changed["title"] == "Chief" and changed["name"]["givenName"] == "Grace", changed
    assert changed.get("displayName") is None, changed
    assert {"type": "work", "value": "1234"} in changed["phoneNumbers"], changed
    entry = peer.entry(changed)
    assert entry["title"] == ["Chief"] and entry["givenname"] == ["Grace"], entry
    assert "displayname" not in entry, entry
    cn = f"Grace {made['name']['familyName']}"
    assert entry["cn"] == [cn], entry["cn"]
    assert changed["meta"]["version"] != made["meta"]["version"]
    without = peer.scim.patch(path, ("replace", None, {"title": "None", "userType": "Guest"}))
    assert without.is_(200)["userType"] == "Guest", without


def a_put_clears_what_it_does_not_name(peer):
    made = peer.make(**FULL, password="A-first-Secret-1")
    body = peer.user(userName=made["userName"])
    put = peer.scim.put(f"/Users/{made['id']}", body).is_(200)
    for name in ["title", "emails", "phoneNumbers", "externalId"]:
        assert put.get(name) is None, f"{name}: {put}"
    assert put["active"] is True and put["name"] == body["name"], put
    entry = peer.entry(put)
    assert "title" not in entry and "mail" not in entry, entry
    assert peer.entries.may_bind(entry["dn"][0], "A-first-Secret-1"), "the password is gone"


def who_is_disabled_gets_in_no_more_until_enabled(peer):
    made = peer.make(password="A-first-Secret-1")
    dn = peer.entry(made)["dn"][0]
    path = f"/Users/{made['id']}"
    assert peer.entries.may_bind(dn, "A-first-Secret-1"), peer.entries.said
    for _ in range(2):
        # As Entra ID says it.
        off = peer.scim.patch(path, ("Replace", "active", "False")).is_(200)
        assert off["active"] is False, off
    assert not peer.entries.may_bind(dn, "A-first-Secret-1")
    entry = peer.entry(made)
    if peer.name == "slapd":
        assert entry["pwdaccountlockedtime"] == ["000001010000Z"], entry
    elif peer.ad:
        assert entry["useraccountcontrol"] == ["514"], entry
    else:
        assert entry["nsaccountlock"] == ["TRUE"], entry
    for _ in range(2):
        assert peer.scim.patch(path, ("replace", None, {"active": True})).is_(200)["active"]
    assert peer.entries.may_bind(dn, "A-first-Secret-1"), peer.entries.said
    entry = peer.entry(made)
    assert "pwdaccountlockedtime" not in entry, entry
    assert peer.scim.put(path, peer.user(userName=made["userName"], active=False)).is_(200)["active"] is False
    again = peer.make(active=False, password="A-first-Secret-1")
    assert again["active"] is False, again
    assert not peer.entries.may_bind(peer.entry(again)["dn"][0], "A-first-Secret-1")


def a_lock_after_wrong_passwords_is_no_disabling(peer):
    if peer.name != "slapd":
        return "only OpenLDAP's policy keeps both in one attribute"
    made = peer.make(password="A-first-Secret-1")
    dn = peer.entry(made)["dn"][0]
    for _ in range(6):
        assert not peer.entries.may_bind(dn, "wrong")
    lock = peer.entry(made)["pwdaccountlockedtime"]
    assert lock != ["000001010000Z"], lock
    path = f"/Users/{made['id']}"
    assert peer.scim.get(path)["active"] is True
    assert peer.scim.patch(path, ("replace", "active", True)).is_(200)["active"] is True
    assert peer.entry(made)["pwdaccountlockedtime"] == lock
    assert peer.scim.patch(path, ("replace", "active", False)).is_(200)["active"] is False
    assert peer.entry(made)["pwdaccountlockedtime"] == ["000001010000Z"]


def other_bits_stay(peer):
    if not peer.ad:
        return "only Active Directory has bits"
    made = peer.make()
    path = f"/Users/{made['id']}"
    dn = peer.entry(made)["dn"][0]
    peer.entries.change(
        f"dn: {dn}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 66048\n"
    )
    assert peer.scim.get(path)["active"] is True
    assert peer.scim.patch(path, ("replace", "active", False)).is_(200)["active"] is False
    assert peer.entry(made)["useraccountcontrol"] == ["66050"]


def a_password_is_set_and_never_shown(peer):
    made = peer.make(password="A-first-Secret-1")
    assert "password" not in made.json, made
    path = f"/Users/{made['id']}"
    dn = peer.entry(made)["dn"][0]
    assert peer.entries.may_bind(dn, "A-first-Secret-1"), peer.entries.said
    changed = peer.scim.patch(path, ("replace", "password", "Another-Secret-2")).is_(200)
    assert "password" not in changed.json, changed
    assert peer.entries.may_bind(dn, "Another-Secret-2")
    body = peer.user(userName=made["userName"], password="A-third-Secret-3")
    assert "password" not in peer.scim.put(path, body).is_(200).json
    dn = peer.entry(made)["dn"][0]
    assert peer.entries.may_bind(dn, "A-third-Secret-3")
    stored = peer.entry(made).get("userpassword", [""])[0]
    assert stored == "" or stored.startswith("{"), "the password is stored as it is"


def a_weak_password_is_refused_in_plain_words(peer):
    refused = peer.scim.post("/Users", peer.user(password="a"))
    refused.is_(400, "invalidValue")
    assert "password" in refused["detail"], refused
    made = peer.make(password="A-first-Secret-1")
    refused = peer.scim.patch(f"/Users/{made['id']}", ("replace", "password", "a"))
    refused.is_(400, "invalidValue")
    # Who was refused is not there half made.
    named = peer.user()
    peer.scim.post("/Users", named | {"password": "a"}).is_(400, "invalidValue")
    assert peer.scim.ids("Users", f'userName eq "{named["userName"]}"') == []


def a_renamed_user_keeps_id_and_groups(peer):
    made = peer.make()
    group = peer.group(made)
    name = f"renamed{next(COUNT)}{peer.domain}"
    path = f"/Users/{made['id']}"
    renamed = peer.scim.patch(path, ("replace", "userName", name), ("replace", "title", "T"))
    renamed.is_(200)
    assert (renamed["userName"], renamed["id"], renamed["title"]) == (name, made["id"], "T"), renamed
    entry = peer.entry(renamed)
    if not peer.ad:
        assert entry["dn"][0].startswith(f"uid={name},"), entry["dn"]
        assert entry["uid"] == [name], entry
    assert peer.members(group) == [made["id"]]
    body = peer.user(userName=f"again{next(COUNT)}{peer.domain}", name={"familyName": "Other"})
    assert peer.scim.put(path, body).is_(200)["userName"] == body["userName"]
    assert peer.members(group) == [made["id"]]
    taken = peer.make()
    peer.scim.patch(path, ("replace", "userName", taken["userName"]), ("replace", "title", "U")).is_(
        409, "uniqueness"
    )
    assert peer.scim.get(path).get("title") != "U", "a refused rename left half of the change"


def a_manager_is_an_id_outside_and_a_name_inside(peer):
    boss = peer.make()
    made = peer.make(**{ENTERPRISE: {"manager": {"value": boss["id"]}}})
    assert made[ENTERPRISE]["manager"]["value"] == boss["id"], made
    assert peer.entry(made)["manager"] == peer.entry(boss)["dn"], peer.entry(made)
    assert peer.scim.ids("Users", f'{ENTERPRISE}:manager.value eq "{boss["id"]}"') == [made["id"]]
    path = f"/Users/{made['id']}"
    nobody = "00000000-0000-4000-8000-000000000000"
    for id in [nobody, "cn=admin", peer.entry(boss)["dn"][0], ""][:3]:
        refused = peer.scim.patch(path, ("replace", f"{ENTERPRISE}:manager.value", id))
        refused.is_(400, "invalidValue")
    gone = peer.scim.patch(path, ("remove", f"{ENTERPRISE}:manager")).is_(200)
    assert "manager" not in (gone.get(ENTERPRISE) or {}), gone


def a_group_gains_and_loses_members(peer):
    one, two, three = peer.make(), peer.make(), peer.make()
    group = peer.group()
    assert not group.get("members"), group
    path = f"/Groups/{group['id']}"
    add = lambda *users: peer.scim.patch(path, ("add", "members", [{"value": user["id"]} for user in users]))  # noqa: E731
    add(one, two).is_(204)
    add(two).is_(204)
    assert peer.members(group) == sorted([one["id"], two["id"]])
    entry = peer.group_entry(group)
    assert peer.entry(one)["dn"][0] in entry["member"], entry
    told = peer.scim.get(path)["members"]
    assert all(member["$ref"].endswith(f"/Users/{member['value']}") for member in told), told
    assert peer.scim.get(f"/Users/{one['id']}")["groups"][0]["value"] == group["id"]
    assert peer.scim.ids("Groups", f'members.value eq "{two["id"]}"') == [group["id"]]
    assert peer.scim.ids("Groups", f'members[value eq "{three["id"]}"]') == []
    peer.scim.patch(path, ("remove", f'members[value eq "{one["id"]}"]')).is_(204)
    peer.scim.patch(path, ("remove", f'members[value eq "{one["id"]}"]'))
    assert peer.members(group) == [two["id"]]
    peer.scim.patch(path, ("Remove", "members", [{"value": two["id"]}])).is_(204)
    assert peer.members(group) == []
    peer.scim.patch(path, ("replace", "members", [{"value": three["id"]}, {"value": one["id"]}]))
    assert peer.members(group) == sorted([one["id"], three["id"]])
    bare = peer.scim.get(path, excludedAttributes="members").is_(200)
    assert "members" not in bare.json, bare
    peer.scim.patch(path, ("remove", "members")).is_(204)
    assert peer.members(group) == []
    refused = peer.scim.patch(path, ("add", "members", [{"value": "nobody"}]))
    refused.is_(400, "invalidValue")


def a_group_is_renamed_replaced_and_removed(peer):
    one = peer.make()
    group = peer.group(one, externalId="group-1")
    path = f"/Groups/{group['id']}"
    assert peer.scim.get(path)["externalId"] == "group-1"
    name = f"renamed group {next(COUNT)}"
    peer.scim.patch(path, ("replace", "displayName", name)).is_(204)
    read = peer.scim.get(path).is_(200)
    assert read["displayName"] == name and read["id"] == group["id"], read
    assert peer.members(group) == [one["id"]]
    body = {"schemas": [GROUP], "displayName": name, "members": []}
    peer.scim.put(path, body).is_(200)
    assert peer.members(group) == [] and peer.scim.get(path).get("externalId") is None
    other = peer.group()
    refused = peer.scim.patch(path, ("replace", "displayName", other["displayName"]))
    refused.is_(409, "uniqueness")
    peer.scim.delete(path).is_(204)
    peer.scim.get(path).is_(404)
    assert not peer.scim.get(f"/Users/{one['id']}").get("groups")


def groups_may_hold_groups(peer):
    user = peer.make()
    inner = peer.group(user)
    outer = peer.group(inner)
    member = peer.scim.get(f"/Groups/{outer['id']}")["members"][0]
    assert member["value"] == inner["id"], member
    assert member["$ref"].endswith(f"/Groups/{inner['id']}"), member


def who_is_deleted_is_gone_from_everywhere(peer):
    boss, user = peer.make(), peer.make()
    staff = peer.make(**{ENTERPRISE: {"manager": {"value": user["id"]}}})
    group = peer.group(user, boss)
    path = f"/Users/{user['id']}"
    peer.scim.delete(path).is_(204)
    peer.scim.get(path).is_(404)
    peer.scim.delete(path).is_(404)
    peer.scim.patch(path, ("replace", "title", "x")).is_(404)
    assert peer.scim.ids("Users", f'userName eq "{user["userName"]}"') == []
    assert peer.members(group) == [boss["id"]]
    manager = (peer.scim.get(f"/Users/{staff['id']}").get(ENTERPRISE) or {}).get("manager")
    assert manager is None, manager
    again = peer.make(userName=user["userName"])
    if peer.ad:
        assert again["id"] == user["id"], "who leaves comes back"


def a_leaver_is_moved_and_disabled(peer):
    if not peer.ad:
        return "only the rule for Active Directory keeps leavers"
    user = peer.make()
    peer.scim.delete(f"/Users/{user['id']}").is_(204)
    entry = peer.entry(user)
    assert "OU=Leavers," in entry["dn"][0] and entry["useraccountcontrol"] == ["514"], entry
    back = peer.make(userName=user["userName"])
    entry = peer.entry(back)
    assert "OU=Staff," in entry["dn"][0] and entry["useraccountcontrol"] == ["512"], entry


def a_department_decides_the_container(peer):
    if peer.name != "389ds":
        return "only the rule for 389 DS has such containers"
    made = peer.make(**{ENTERPRISE: {"department": "sales"}})
    assert ",ou=sales,ou=people," in peer.entry(made)["dn"][0], peer.entry(made)["dn"]
    path = f"/Users/{made['id']}"
    moved = peer.scim.patch(path, ("replace", f"{ENTERPRISE}:department", "lab")).is_(200)
    assert moved["id"] == made["id"]
    assert ",ou=lab,ou=people," in peer.entry(made)["dn"][0], peer.entry(made)["dn"]
    peer.scim.patch(path, ("replace", f"{ENTERPRISE}:department", "elsewhere")).is_(200)
    assert peer.entry(made)["dn"][0].endswith(f"uid={made['userName']},ou=people,dc=example,dc=com")


def what_no_client_sends_is_made(peer):
    one, two = peer.entry(peer.make()), peer.entry(peer.make())
    if peer.name == "389ds":
        numbers = [int(entry["uidnumber"][0]) for entry in [one, two]]
        assert numbers[0] != numbers[1] and all(10000 <= n < 60000 for n in numbers), numbers
        assert one["homedirectory"] == [f"/home/{one['uid'][0]}"], one
    elif peer.ad:
        assert one["samaccountname"] == [one["userprincipalname"][0].split("@")[0]], one
        # The same name, and what would be the same old name.
        name = {"givenName": "Same", "familyName": "Name"}
        long = "a-name-of-more-than-twenty-letters"
        first = peer.entry(peer.make(name=name, userName=f"{long}{peer.domain}"))
        second = peer.entry(peer.make(name=name, userName=f"{long}-2{peer.domain}"))
        assert first["samaccountname"] != second["samaccountname"], second
        assert first["cn"] == ["Same Name"] and second["cn"] != first["cn"], second
    else:
        return "the rule for OpenLDAP makes nothing"


def a_change_under_an_old_version_is_refused(peer):
    made = peer.make()
    if not peer.scim.get("/ServiceProviderConfig")["etag"]["supported"]:
        refused = peer.scim.patch(f"/Users/{made['id']}", ("replace", "title", "A"), If_Match='W/"x"')
        refused.is_(412)
        return "it has no assertion control, and says so in ServiceProviderConfig"
    path = f"/Users/{made['id']}"
    version = made["meta"]["version"]
    assert made.headers["ETag"] == version, made.headers
    changed = peer.scim.patch(path, ("replace", "title", "A"), If_Match=version).is_(200)
    peer.scim.patch(path, ("replace", "title", "B"), If_Match=version).is_(412)
    peer.scim.put(path, peer.user(userName=made["userName"]), If_Match=version).is_(412)
    peer.scim.delete(path, If_Match=version).is_(412)
    fresh = changed["meta"]["version"]
    put = peer.scim.put(path, peer.user(userName=made["userName"]), If_Match=fresh).is_(200)
    peer.scim.delete(path, If_Match=put["meta"]["version"]).is_(204)


def odd_names_come_back_as_sent(peer):
    for odd in [
        'comma, plus + quote " back \\ slash', "#hash", "<less;more>", "equals=sign",
        "*)(uid=*", "gr\u00fc\u00dfe \U0001f600", "a/b", "(paren)",
    ]:  # fmt: skip
        made = peer.make(title=odd, name={"givenName": odd, "familyName": "Odd"})
        assert made["title"] == odd and made["name"]["givenName"] == odd, made
        assert peer.scim.get(f"/Users/{made['id']}").is_(200)["name"]["givenName"] == odd
        if not peer.ad:
            renamed = peer.scim.patch(f"/Users/{made['id']}", ("replace", "userName", odd)).is_(200)
            assert renamed["userName"] == odd, renamed
            found = peer.scim.get("/Users", filter=f"userName eq {quoted(odd)}").is_(200)
            assert [one["id"] for one in found["Resources"]] == [made["id"]], found
        group = peer.group(made, displayName=f"{odd} group")
        assert peer.scim.get(f"/Groups/{group['id']}")["displayName"] == f"{odd} group"
        assert peer.members(group) == [made["id"]]
        peer.clean()


def nothing_outside_the_base_is_there(peer):
    made, group = peer.make(), peer.group()
    outside = peer.entries.one("(sAMAccountName=Administrator)" if peer.ad else "(cn=postern)")
    id = outside.get("entryuuid", outside.get("nsuniqueid", ["x"]))[0]
    for path in [f"/Users/{id}", f"/Groups/{id}", f"/Users/{group['id']}", f"/Groups/{made['id']}"]:
        peer.scim.get(path).is_(404)
        peer.scim.delete(path).is_(404)
        peer.scim.patch(path, ("replace", "title", "x")).status in (400, 404)
    dn = peer.entry(made)["dn"][0]
    for path in [dn, "*", f"{made['id']})(uid=*", "..%2f", "%00"]:
        found = peer.scim.get(f"/Users/{quote(path)}")
        assert found.status in (400, 404), found


def an_unknown_attribute_and_a_bad_value_are_the_clients_fault(peer):
    peer.scim.post("/Users", {"schemas": [USER], "userName": f"x{peer.domain}"}).is_(400, "invalidValue")
    made = peer.make()
    path = f"/Users/{made['id']}"
    peer.scim.patch(path, ("replace", "noSuchThing", "x")).status in (200, 400)
    refused = peer.scim.patch(path, ("replace", "title", "x" * 70000))
    assert refused.status in (200, 400), refused
    refused = peer.scim.patch(path, ("replace", "active", "perhaps"))
    refused.is_(400, "invalidValue")
    refused = peer.scim.patch(path, ("remove", "userName"))
    assert refused.status == 400, refused


def quoted(text):
    import json

    return json.dumps(text, ensure_ascii=False)


def quote(text):
    import urllib.parse

    return urllib.parse.quote(text, safe="%")


CHECKS = [
    value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__code__", None) and value.__code__.co_varnames[:1] == ("peer",)
    and value.__module__ == __name__
]  # fmt: skip
