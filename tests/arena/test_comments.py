"""What people said about an image: below it, and all of it in a dialog, as text and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.arena.conftest import Tabs, shot

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.arena.site import Contest
    from tests.arena.world import World

NASTY = '<p>&lt;img src=x onerror="window.hacked=1"&gt;<b>bold</b> &lt;script&gt;window.hacked=2&lt;/script&gt;</p>'
AS_TEXT = '<img src=x onerror="window.hacked=1">bold <script>window.hacked=2</script>'


def talked(world: World, *texts: str) -> Contest:
    """A crucible of two whose images have these comments."""
    contest = world.site.contest(2)
    for image in contest.images.values():
        world.site.comment(image, *texts)
    return contest


def rows(page: Page) -> list[str]:
    """Texts of the comments in the dialog."""
    return page.locator("#comments-list li p").all_inner_texts()


def test_top_comment_and_count_are_below_each_image(world: World, tabs: Tabs) -> None:
    """The most reacted comment and the number of all stand under both images, or that there are none."""
    page = tabs.open(world.open(talked(world, "<p>The best of all</p>", "<p>Another</p>", "<p>And one more</p>")))
    assert page.locator(".quote").all_inner_texts() == ["The best of all"] * 2
    assert page.locator(".count").all_inner_texts() == ["3 comments"] * 2

    page = tabs.open(world.open(world.site.contest(2)))
    assert page.locator(".quote").all_inner_texts() == ["No comments"] * 2
    assert page.locator(".count").all_inner_texts() == [""] * 2


def test_markup_in_comments_is_shown_as_text(world: World, tabs: Tabs) -> None:
    """What looks like an image or a script in a comment is text, and makes no element, here and in the dialog."""
    page = tabs.open(world.open(talked(world, NASTY)))
    assert page.locator(".quote").first.text_content() == AS_TEXT
    page.keyboard.press("c")
    page.locator("#comments-list li").first.wait_for()

    assert rows(page) == [AS_TEXT]
    assert page.locator("#comments img, #comments script, #comments b, .quote img, .quote b").count() == 0
    assert page.evaluate("window.hacked") is None
    shot(page, "comments-markup")


def test_dialog_pages_through_all_comments(world: World, tabs: Tabs) -> None:
    """A click opens the comments of that image, most reactions first, and more until there are no more."""
    texts = [f"Comment number {number}" for number in range(1, 46)]
    page = tabs.open(world.open(talked(world, *texts)))
    page.get_by_role("button", name="45 comments on the right image").click()
    dialog = page.get_by_role("dialog", name="Comments on the right image")
    dialog.get_by_text("20 of 45 shown").wait_for()
    shot(page, "comments")
    more = dialog.get_by_role("button", name="More comments")
    more.click()
    dialog.get_by_text("40 of 45 shown").wait_for()
    focused = page.evaluate("document.activeElement.innerText.split('\\n')[0]")
    more.click()
    dialog.get_by_text("45 of 45 shown").wait_for()

    assert rows(page) == texts
    assert focused == "Comment number 21", "reading goes on with the first new one"
    assert not more.is_visible()


def test_dialog_is_modal_and_gives_the_focus_back(world: World, tabs: Tabs) -> None:
    """C opens it, keys vote for nobody while it is open, Escape closes it, and the focus is where it was."""
    contest = talked(world, "Only one")
    page = tabs.open(world.open(contest))
    button = page.get_by_role("button", name="1 comment on the right image")
    button.focus()
    page.keyboard.press("c")
    dialog = page.get_by_role("dialog", name="Comments on the right image")
    dialog.get_by_text("1 of 1 shown").wait_for()
    for key in ("a", "d", "s", "ArrowLeft"):
        page.keyboard.press(key)
    assert page.evaluate("document.querySelector('dialog').matches(':modal')")
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")

    assert button.evaluate("(one) => one === document.activeElement")
    assert page.locator("#duel").get_attribute("aria-busy") == "false"
    assert world.votes(contest) == 0


def test_no_comments_is_said(world: World, tabs: Tabs) -> None:
    """An image nobody commented on opens a dialog that says so, and the button closes it."""
    page = tabs.open(world.open(world.site.contest(2)))
    page.get_by_role("button", name="No comments on the left image").click()
    page.get_by_text("No comments on this image yet.").wait_for()
    page.get_by_role("button", name="Close the comments").click()

    page.get_by_role("dialog").wait_for(state="hidden")
