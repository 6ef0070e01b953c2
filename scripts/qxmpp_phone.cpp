// A phone made of QXmpp, the engine of Kaidan: it speaks urn:xmpp:omemo:2 and describes its files.
//
//   qxmpp_phone JID PASSWORD VAULT AUTHORITIES FOLDER
//
// What stands in its input: "say TEXT", "share PATH". What it prints: "ready", "heard TEXT" (line
// breaks as a vertical bar), "saved PATH", "trouble WHAT". Files that come are saved into FOLDER.
#include <QXmppAtmManager.h>
#include <QXmppAtmTrustMemoryStorage.h>
#include <QXmppClient.h>
#include <QXmppConfiguration.h>
#include <QXmppDiscoveryIq.h>
#include <QXmppDiscoveryManager.h>
#include <QXmppE2eeMetadata.h>
#include <QXmppEncryptedFileSharingProvider.h>
#include <QXmppError.h>
#include <QXmppFileMetadata.h>
#include <QXmppFileShare.h>
#include <QXmppFileSharingManager.h>
#include <QXmppHttpFileSharingProvider.h>
#include <QXmppHttpUploadManager.h>
#include <QXmppMessage.h>
#include <QXmppMessageReceiptManager.h>
#include <QXmppOmemoManager.h>
#include <QXmppOmemoMemoryStorage.h>
#include <QXmppPubSubManager.h>
#include <QXmppTask.h>
#include <QXmppUploadRequestManager.h>
#include <QXmppUtils.h>

#include <QCoreApplication>
#include <QFile>
#include <QNetworkAccessManager>
#include <QSocketNotifier>
#include <QSslConfiguration>
#include <QTimer>

#include <iostream>
#include <vector>

using namespace QXmpp;

static void print(const QString &line)
{
    std::cout << line.toStdString() << std::endl;
}

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    const QStringList given = app.arguments();
    if (given.size() != 6) {
        return 2;
    }
    const QString jid = given[1], password = given[2], vault = given[3], folder = given[5];
    auto tls = QSslConfiguration::defaultConfiguration();
    const auto authorities = QSslCertificate::fromPath(given[4]);
    tls.addCaCertificates(authorities);
    QSslConfiguration::setDefaultConfiguration(tls);

    QXmppClient client;
    QXmppAtmTrustMemoryStorage trust;
    QXmppOmemoMemoryStorage store;
    QNetworkAccessManager net;
    client.addNewExtension<QXmppPubSubManager>();
    client.addNewExtension<QXmppAtmManager>(&trust);
    client.addNewExtension<QXmppMessageReceiptManager>();
    client.addNewExtension<QXmppUploadRequestManager>();
    auto *uploads = client.addNewExtension<QXmppHttpUploadManager>(&net);
    auto *files = client.addNewExtension<QXmppFileSharingManager>();
    auto *omemo = client.addNewExtension<QXmppOmemoManager>(&store);
    const auto any = TrustLevel::Undecided | TrustLevel::AutomaticallyTrusted |
        TrustLevel::ManuallyTrusted | TrustLevel::Authenticated;
    omemo->setAcceptedSessionBuildingTrustLevels(any);
    // Trust on first use, as Kaidan has it.
    omemo->setSecurityPolicy(Toakafa);
    client.setEncryptionExtension(omemo);
    auto plain = std::make_shared<QXmppHttpFileSharingProvider>(uploads, &net);
    auto sealed = std::make_shared<QXmppEncryptedFileSharingProvider>(files, plain);
    files->registerProvider(plain);
    files->registerProvider(sealed);

    const auto send = [&](QXmppMessage message) {
        QXmppSendStanzaParams how;
        how.setAcceptedTrustLevels(any);
        client.sendSensitive(std::move(message), how).then(&app, [](SendResult &&result) {
            if (const auto *error = std::get_if<QXmppError>(&result)) {
                print("trouble not sent: " + error->description);
            }
        });
    };
    QTimer search;
    std::vector<std::shared_ptr<QXmppFileUpload>> going;
    std::vector<std::shared_ptr<QXmppFileDownload>> coming;

    // Where files are uploaded is heard by the way, when somebody asks what there is.
    auto *discovery = client.findExtension<QXmppDiscoveryManager>();
    QObject::connect(discovery, &QXmppDiscoveryManager::itemsReceived, &app,
                     [&](const QXmppDiscoveryIq &found) {
                         for (const auto &item : found.items()) {
                             discovery->requestInfo(item.jid());
                         }
                     });
    QObject::connect(&client, &QXmppClient::connected, &app, [&] {
        discovery->requestItems(QXmppUtils::jidToDomain(jid));
        omemo->setUp().then(&app, [&](bool done) {
            if (!done) {
                print("trouble OMEMO was not set up");
                return;
            }
            search.start(300);
        });
    });
    // The vault may just be about to publish its device.
    QObject::connect(&search, &QTimer::timeout, &app, [&] {
        omemo->requestDeviceLists({ vault }).then(&app, [&](auto &&) {
            omemo->devices({ vault }).then(&app, [&](QVector<QXmppOmemoDevice> &&devices) {
                if (!devices.isEmpty() && search.isActive()) {
                    search.stop();
                    print("ready");
                }
            });
        });
    });
    QObject::connect(&client, &QXmppClient::errorOccurred, &app, [](const QXmppError &error) {
        print("trouble " + error.description);
    });
    QObject::connect(&client, &QXmppClient::messageReceived, &app, [&](const QXmppMessage &message) {
        if (QXmppUtils::jidToBareJid(message.from()) != vault || !message.e2eeMetadata()) {
            return;
        }
        if (!message.body().isEmpty()) {
            print("heard " + QString(message.body()).replace('\n', '|'));
        }
        for (const auto &share : message.sharedFiles()) {
            const QString path = folder + '/' + share.metadata().filename().value_or("nameless");
            auto file = std::make_unique<QFile>(path);
            if (!file->open(QIODevice::WriteOnly)) {
                print("trouble cannot write " + path);
                return;
            }
            auto download = files->downloadFile(share, std::move(file));
            coming.push_back(download);
            QObject::connect(download.get(), &QXmppFileDownload::finished, &app, [path, download] {
                const auto result = download->result();
                if (const auto *error = std::get_if<QXmppError>(&result)) {
                    print("trouble not fetched: " + error->description);
                } else {
                    print("saved " + path);
                }
            });
        }
    });

    QSocketNotifier input(0, QSocketNotifier::Read);
    QObject::connect(&input, &QSocketNotifier::activated, &app, [&] {
        std::string read;
        if (!std::getline(std::cin, read)) {
            app.quit();
            return;
        }
        const QString line = QString::fromStdString(read);
        if (line.startsWith("say ")) {
            send(QXmppMessage(jid, vault, line.mid(4)));
        } else if (line.startsWith("share ")) {
            auto upload = files->uploadFile(sealed, line.mid(6));
            going.push_back(upload);
            QObject::connect(upload.get(), &QXmppFileUpload::finished, &app, [&, upload] {
                const auto result = upload->result();
                const auto *done = std::get_if<QXmppFileUpload::FileResult>(&result);
                if (!done) {
                    const auto *error = std::get_if<QXmppError>(&result);
                    print("trouble not uploaded: " + (error ? error->description : QString()));
                    return;
                }
                QXmppMessage message(jid, vault);
                message.setSharedFiles({ done->fileShare });
                send(std::move(message));
            });
        }
    });

    QXmppConfiguration account;
    account.setJid(jid + "/qxmpp");
    account.setPassword(password);
    account.setCaCertificates(authorities);
    client.connectToServer(account);
    return app.exec();
}
