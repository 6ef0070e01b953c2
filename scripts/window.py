"""Takes the pictures for docs/: an owner's evening in Dino's window. Usage: window.py PROGRAMS FOLDER

Nothing in the pictures is painted but the photos. scripts/clients.sh gives it the room it needs.
"""
import shutil
import sys
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

import alone
import photos
from dino import Dino
from stage import OWNER, Failed, Stage, pairing_code, run

# More of the scenes than the evening needs, so that a sheet has something to show.
EARLIER = 9


def paint_earlier(folder):
    """Photos of other days: the scenes in other lights, in a size that a camera takes."""
    shots = photos.make(folder)
    for number in range(EARLIER):
        with Image.open(shots[number % len(shots)]) as image:
            box = (number * 120, number * 60, image.width - 100, image.height - number * 80)
            other = image.crop(box).resize((1600, 1200))
            if number % 2:
                other = ImageOps.mirror(other)
            light = ImageEnhance.Brightness(other).enhance(1.1 - number / 15)
            light.save(folder / f"IMG_{20260701 + number}_1804{number:02}.jpg", quality=88)
    for shot in shots:
        with Image.open(shot) as image:
            image.resize((1600, 1200)).save(shot.with_suffix(".png"))
        shot.unlink()
    return [shot.with_suffix(".png") for shot in shots]


def main(programs, folder):
    with Stage() as stage:
        said = alone.set_up(stage, programs)
        shots = paint_earlier(stage.folder / "camera")
        earlier = sorted((stage.folder / "camera").glob("*.jpg"))
        run([programs / "strongroom", "--config", stage.vault.settings, "import", *earlier])
        stage.vault.start()
        dino = stage.also(Dino(stage.folder / "dino"))
        dino.make_account(alone.password(OWNER))
        dino.open_conversation()
        dino.say(pairing_code(said))
        print(dino.hear("Paired"))
        for shot in shots:
            before = alone.blobs(stage.vault.drive)
            dino.paste(shot)
            dino.until("a sealed blob", lambda: alone.blobs(stage.vault.drive) > before)
            print(f"{shot.name} is in")
        dino.say("status")
        print(dino.hear("The vault is open: 12 files"))
        dino.say("sheet")
        sheet = dino.until("a sheet", lambda: dino.files(sent=False))[0]
        dino.shoot(folder / "dino.png")
        shutil.copy(sheet, folder / "sheet.jpg")
    print(f"The pictures are in {folder}.")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except Failed as trouble:
        sys.exit(f"error: {trouble}")
