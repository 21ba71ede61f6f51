"""Who may embed the payment page: its settings in the cabinet."""

from app.merchants import settings
from app.wiring import Services
from tests.cabinet.people import Office, problems

TWO = {"frame_origins": "https://Shop.example/\nhttp://localhost:3000"}


async def test_origins_are_saved_shown_and_told(office: Office, works: Services) -> None:
    owner, viewer = await office.new_member("owner"), await office.new_member("viewer")
    assert "no page" in await owner.see("settings")
    shown = await owner.do("settings/embedding", TWO)
    assert ">https://shop.example<" in shown
    assert await settings.frame_origins_of(office.merchant_id) == ("https://shop.example", "http://localhost:3000")
    assert "https://shop.example\nhttp://localhost:3000</textarea>" in await owner.see("settings/embedding")
    for bad, words in (
        ("http://shop.example", "Enter origins that begin with https://: “http://shop.example” does not."),
        ("*", "Enter origins such as https://shop.example, one a line: “*” is none."),
        (" ".join(f"https://shop{n}.example" for n in range(11)), "List at most 10 origins."),
    ):
        assert problems(await owner.send("settings/embedding", {"frame_origins": bad})) == [words]
    assert len(await settings.frame_origins_of(office.merchant_id)) == 2
    await owner.do("settings/embedding", {"frame_origins": ""})
    assert await settings.frame_origins_of(office.merchant_id) == ()
    assert "Changed who may embed the payment page" in await owner.see("audit")
    await viewer.see("settings/embedding", status=403)
    assert (await viewer.send("settings/embedding", TWO)).status_code == 403
