"""Images are uploaded, sent with a message, and read back; and nobody else's are."""

from datetime import datetime, timedelta
from hashlib import sha256
from uuid import uuid4

import msgspec
import pytest

from clients.cli.errors import CliError
from clients.cli.gateway.client import Gateway
from clients.cli.gateway.images import upload_images
from events import TaskErased
from infra.stores.image_header import MAX_IMAGE_BYTES
from services.gateway.commands.attachments import MAX_UPLOADS_PER_ACCOUNT, UPLOAD_AGE
from services.gateway.tasks.messages.attachments import MAX_ATTACHMENTS_PER_TASK
from tests.gateway.kit.memory_bucket import MemoryBucket, attachments_in
from tests.gateway.kit.problems import is_problem
from tests.gateway.kit.scenario import NOON
from tests.kit.build.images import gif, jpeg, png, webp

PNG = png(3, 2)


async def upload(person, content=PNG, media_type="image/png"):
    return await person.http.post(
        "/v1/attachments", content=content, headers={"Content-Type": media_type}
    )


async def uploaded(person, content=PNG, media_type="image/png"):
    answer = await upload(person, content, media_type)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_an_image_goes_with_a_prompt_and_is_read_back_by_person_and_worker(ada, world):
    image = await uploaded(ada)
    assert (image["media_type"], image["width"], image["height"]) == ("image/png", 3, 2)
    assert datetime.fromisoformat(image["expires_at"]) > datetime.now().astimezone()

    wanted = [{"id": image["id"], "name": "screen.png"}]
    task = await ada.submit("fix it", attachments=wanted)

    [submitted] = await world.log.read(ada.history(task))
    [reference] = submitted.event.attachments
    assert (reference.id, reference.name, reference.size_bytes) == (
        image["id"],
        "screen.png",
        len(PNG),
    )
    assert reference.sha256 == image["sha256"] == sha256(PNG).hexdigest()
    assert reference.key == f"tasks/{task}/attachments/{image['id']}"  # erased with the task

    answer = await ada.http.get(f"/v1/tasks/{task}/attachments/{image['id']}")
    assert (answer.status_code, answer.content) == (200, PNG)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]

    worker = await world.worker(await world.attempt(ada.history(task)))
    assert (await worker.get(f"/broker/blobs/attachments/{image['id']}")).content == PNG


async def test_errand_run_and_say_upload_images_with_their_names(ada, world, tmp_path):
    (tmp_path / "one.png").write_bytes(PNG)
    (tmp_path / "two.jpg").write_bytes(jpeg())
    (tmp_path / "three.txt").write_bytes(b"x")
    async with Gateway(world.url, ada.token) as gateway:
        sent = await upload_images(gateway, [tmp_path / "one.png", tmp_path / "two.jpg"])
        with pytest.raises(
            CliError, match=r"three\.txt was not uploaded: An attachment is an image"
        ):
            await upload_images(gateway, [tmp_path / "three.txt"])

    task = await ada.submit(attachments=msgspec.to_builtins(sent))
    [submitted] = await world.log.read(ada.history(task))
    assert [(each.name, each.media_type) for each in submitted.event.attachments] == [
        ("one.png", "image/png"),
        ("two.jpg", "image/jpeg"),
    ]


async def test_an_image_goes_with_an_instruction(ada, world):
    task = await ada.submit()
    image = await uploaded(ada, webp(), "image/webp")
    said = {"text": "like this", "attachments": [{"id": image["id"]}]}
    answer = await ada.post(f"/v1/tasks/{task}/instructions", said)
    assert answer.json()["version"] == 2
    events = await world.log.read(ada.history(task))
    assert [each.id for each in events[1].event.attachments] == [image["id"]]


async def test_a_message_sent_again_is_answered_though_its_upload_is_gone(ada, world):
    image = await uploaded(ada)
    body = {"prompt": "fix it", "repository": {"url": "https://github.com/ada/app"}}
    body["attachments"] = [{"id": image["id"], "name": "a.png"}]
    key = str(uuid4())
    first, second = await ada.post("/v1/tasks", body, key), await ada.post("/v1/tasks", body, key)
    assert first.json()["id"] == second.json()["id"]
    assert len(await world.log.read(ada.history(first.json()["id"]))) == 1

    other = {**body, "attachments": [{"id": image["id"], "name": "b.png"}]}
    is_problem(await ada.post("/v1/tasks", other, key), 422, "command_id_reused")
    is_problem(await ada.post("/v1/tasks", body), 422, "attachment_not_found")


@pytest.mark.parametrize(
    ("content", "media_type", "status", "code"),
    [
        (b"<svg/>", "image/svg+xml", 415, "image_type_refused"),
        (PNG, "text/html", 415, "image_type_refused"),
        (PNG, "", 415, "image_type_refused"),
        (PNG, "image/jpeg", 422, "image_refused"),
        (b"<html>", "image/png", 422, "image_refused"),
        (b"", "image/png", 422, "image_refused"),
        (PNG[:20], "image/png", 422, "image_refused"),
        (gif(8001, 1), "image/gif", 422, "image_too_large"),
        (jpeg() + bytes(MAX_IMAGE_BYTES), "image/jpeg", 413, "body_too_large"),
    ],
)
async def test_what_is_no_image_to_be_sent_is_refused(ada, content, media_type, status, code):
    is_problem(await upload(ada, content, media_type), status, code)


async def test_the_largest_image_is_taken(ada):
    image = jpeg(8000, 8000)
    image += bytes(MAX_IMAGE_BYTES - len(image))
    assert (await uploaded(ada, image, "image/jpeg"))["size_bytes"] == MAX_IMAGE_BYTES


async def test_an_image_is_for_its_account_alone(ada, bob):
    image = await uploaded(ada)
    theirs = {"prompt": "x", "repository": {"url": "https://github.com/b/b"}}
    theirs["attachments"] = [{"id": image["id"]}]
    is_problem(await bob.post("/v1/tasks", theirs), 422, "attachment_not_found")

    task = await ada.submit(attachments=[{"id": image["id"]}])
    path = f"/v1/tasks/{task}/attachments/{image['id']}"
    is_problem(await bob.http.get(path), 404, "not_found")
    is_problem(await ada.http.get(path[:-1] + "_"), 404, "not_found")
    other = await ada.submit()
    is_problem(await ada.http.get(path.replace(task, other)), 404, "not_found")


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ([{"id": "att_" + "a" * 26}], "attachment_not_found"),
        ([{"id": "../../tasks/x"}], "attachment_not_found"),
        ([{"id": "att_" + "a" * 26}] * 2, "attachment_repeated"),
        ([{"id": "x"}] * 11, "too_many_attachments"),
        ([{"id": "att_" + "a" * 26, "name": "a\nb"}], "attachment_name_refused"),
    ],
)
async def test_a_list_of_attachments_that_no_message_may_have_is_refused(ada, wanted, code):
    body = {"prompt": "x", "repository": {"url": "https://github.com/a/b"}, "attachments": wanted}
    is_problem(await ada.post("/v1/tasks", body), 422, code)


async def test_a_task_has_only_so_many_images(ada):
    async def names(count):
        return [{"id": (await uploaded(ada))["id"]} for _ in range(count)]

    task = await ada.submit(attachments=await names(10))
    path = f"/v1/tasks/{task}/instructions"
    rest = MAX_ATTACHMENTS_PER_TASK - 10
    await ada.post(path, {"text": "more", "attachments": await names(rest)})
    full = await ada.post(path, {"text": "and more", "attachments": await names(1)})
    is_problem(full, 409, "attachments_full")


async def test_what_is_erased_has_no_attachments(ada, world):
    image = await uploaded(ada)
    task = await ada.submit(attachments=[{"id": image["id"]}])
    await world.append(ada.history(task), TaskErased(reason="asked"), by="operator")
    is_problem(await ada.http.get(f"/v1/tasks/{task}/attachments/{image['id']}"), 404, "not_found")


async def test_an_upload_that_no_message_names_is_deleted_after_a_day():
    bucket, now = MemoryBucket(), NOON
    attachments = attachments_in(bucket, None, lambda: now)
    await attachments.upload("acc_a", PNG, "image/png")
    bucket.objects["uploads/acc_a/what-is-this"] = b""
    now += UPLOAD_AGE
    second = await attachments.upload("acc_b", PNG, "image/png")
    assert await attachments.sweep("uploads/") == 3
    now += timedelta(milliseconds=1)
    assert await attachments.sweep("uploads/") == 2
    assert set(bucket.objects) == {f"uploads/acc_b/{second.id}", "uploads/acc_a/what-is-this"}


async def test_only_so_many_uploads_of_an_account_wait():
    bucket, now = MemoryBucket(), NOON
    attachments = attachments_in(bucket, None, lambda: now)
    for _ in range(MAX_UPLOADS_PER_ACCOUNT):
        await attachments.upload("acc_a", PNG, "image/png")
    with pytest.raises(Exception, match="wait for a message"):
        await attachments.upload("acc_a", PNG, "image/png")
    await attachments.upload("acc_b", PNG, "image/png")
    now += UPLOAD_AGE * 2
    await attachments.upload("acc_a", PNG, "image/png")
    assert len(bucket.objects) == 2
