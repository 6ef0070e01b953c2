"""Three photos for the demo: JPEGs of 12 megapixels with EXIF, as a camera writes them."""
import random

from PIL import ExifTags, Image, ImageChops, ImageDraw, ImageFilter

WIDTH, HEIGHT = 4000, 3000
# Name, colour of the sky above and below, of the ground, when it was taken, and where.
SCENES = (
    ("lake in summer.jpg", (58, 110, 190), (214, 226, 240), (44, 84, 48),
     "2026:06:21 18:04:11", ((46, 24, 36), (11, 51, 0))),
    ("Oma Käthe wird 80.jpg", (190, 120, 84), (250, 222, 180), (96, 60, 44),
     "2026:08:02 12:30:55", ((52, 31, 12), (13, 24, 18))),
    ("first snow.jpg", (120, 134, 150), (226, 230, 236), (236, 240, 246),
     "2026:11:19 07:58:40", ((47, 16, 0), (11, 24, 0))),
)
MAKER, CAMERA = "Painted by Pillow", "Strongroom demo camera"


def make(folder):
    """Paints the photos into a folder and returns their paths."""
    folder.mkdir(parents=True)
    return [_make(folder / scene[0], *scene[1:], seed) for seed, scene in enumerate(SCENES)]


def _make(path, above, below, ground, taken, place, seed):
    chance = random.Random(seed)
    slope = Image.linear_gradient("L").resize((WIDTH, HEIGHT))
    image = Image.composite(Image.new("RGB", slope.size, below),
                            Image.new("RGB", slope.size, above), slope)
    draw = ImageDraw.Draw(image)
    for ridge in range(4):
        top = HEIGHT * (5 + ridge) // 10
        ends = [(x, top + chance.randint(-260, 260)) for x in range(0, WIDTH + 1, 250)]
        shade = tuple(value * (9 - ridge) // 9 for value in ground)
        draw.polygon([(0, HEIGHT), *ends, (WIDTH, HEIGHT)], fill=shade)
    grain = Image.effect_noise((WIDTH, HEIGHT), 18).convert("RGB")
    image = image.filter(ImageFilter.GaussianBlur(3))
    image = ImageChops.add(image, grain, scale=1, offset=-128)
    image.save(path, quality=88, exif=_exif(taken, place))
    return path


def _exif(taken, place):
    (north, east) = place
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = MAKER, CAMERA
    exif[ExifTags.Base.DateTime] = taken
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({
        ExifTags.GPS.GPSLatitudeRef: "N", ExifTags.GPS.GPSLatitude: tuple(map(float, north)),
        ExifTags.GPS.GPSLongitudeRef: "E", ExifTags.GPS.GPSLongitude: tuple(map(float, east))})
    return exif


def describe(path):
    """What a viewer shows of a photo's EXIF."""
    with Image.open(path) as image:
        image.load()
        exif = image.getexif()
        place = exif.get_ifd(ExifTags.IFD.GPSInfo)
        degrees = [sum(float(part) / 60 ** power for power, part in enumerate(place[tag]))
                   for tag in (ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLongitude)]
        taken = exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal]
        return (f"{image.width} x {image.height} pixels, taken {taken} at "
                f"{degrees[0]:.2f} N {degrees[1]:.2f} E")
